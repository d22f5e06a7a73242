"""Broker to journal to receipt; journal to database; production events in."""
