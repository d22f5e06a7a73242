"""The two .jsonl forms of the records: events and readings, text in, typed records out."""

from calc_stream.core.event_records import parse_event, parse_events
from calc_stream.core.reading_records import parse_readings

__all__ = ["parse_event", "parse_events", "parse_readings"]
