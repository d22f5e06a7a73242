"""From records of the journal to what the core computes with, and back from a result to them."""
