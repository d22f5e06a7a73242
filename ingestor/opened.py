"""Segments as they were opened when they came in, for whoever follows the journal close behind."""

import threading

from wire.journal import Record
from wire.segment import Segment, open_segment

_MOST_READINGS = 2_000_000  # a dozen bytes each


class Opened:
    """What one follower of the journal has yet to take.

    Only the first ones are kept: whoever is far behind opens the others from the journal. May be
    used from several threads.
    """

    def __init__(self, most_readings: int = _MOST_READINGS) -> None:
        self._most = most_readings
        self._readings = 0
        self._waiting: dict[str, Segment] = {}
        self._lock = threading.Lock()

    def put(self, segment: Segment) -> None:
        """To be called before the segment is in the journal: later might be after it was taken."""
        readings = segment.header.readings
        with self._lock:
            fits = self._readings + readings <= self._most
            if fits and segment.hash not in self._waiting:
                self._waiting[segment.hash] = segment
                self._readings += readings

    def take(self, record: Record) -> Segment:
        """The segment of a record."""
        with self._lock:
            segment = self._waiting.pop(record.hash, None)
            if segment is not None:
                self._readings -= segment.header.readings
        return segment or open_segment(record.data)
