"""Faults planted into a copy of the core; the tests beside it must notice each of them."""
