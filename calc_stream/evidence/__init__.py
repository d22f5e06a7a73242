"""From a result back to the records it stands on: the journal read again, nothing decided."""
