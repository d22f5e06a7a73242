"""The door for other companies: PACT v3 on a port of its own, with keys of its own.

It shares the calculator's process and audit log and nothing else: who has a key here sees offered
footprints, and no page, batch or meter.
"""
