"""A factory that knows its own true footprint: its meters answer, its MES reports."""
