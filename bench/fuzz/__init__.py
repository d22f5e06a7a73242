"""Millions of damaged answers for every decoder: `python -m bench.fuzz`."""
