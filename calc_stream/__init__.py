"""The calculator: journal in, product footprints out, live."""
