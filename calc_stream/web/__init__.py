"""What people and programs see: the page, its live stream, the API, messages on the broker."""
