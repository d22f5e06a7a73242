"""The edge agent: reads meters, keeps what it read, hands it on until someone signs for it."""
