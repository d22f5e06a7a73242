"""Measured claims, each one command: `python -m bench.NAME`. Figures are ratios to a peer or a limit
of the same run, because a machine's own speed says little.
"""
