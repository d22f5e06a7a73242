"""What is heard of one read-out, piece by piece."""

from collections.abc import Callable

from edge_agent.protocols import iec62056_21 as codec

_MOST_NOISE, _MOST_TEXT = 512, 65_536  # bytes without an identification, and of a read-out


class Hearing:
    """Takes the bytes as they come and keeps them itself: a read-out is longer than any frame.

    `announced` is told a speed the meter changes to by itself. `began_ms`: when the values began.
    """

    def __init__(self, now_ms: Callable[[], int], announced: Callable[[int], None]) -> None:
        self.identification: codec.Identification | None = None
        self.text: str | None = None
        self.began_ms = 0
        self._now_ms, self._announced = now_ms, announced
        self._heard = b""

    @property
    def awaits_confirmation(self) -> bool:
        """Mode C: the meter waits for an acknowledgement."""
        return self.identification is not None and self.identification.confirmed_baud is not None

    def greeting(self, data: bytes) -> tuple[bool | None, int]:
        """Until the meter waits for us, or has told everything without that."""
        self._heard += data
        if self.identification is None:
            self.identification, used = codec.find_identification(self._heard)
            if self.identification is None:
                return (True if len(self._heard) > _MOST_NOISE else None), len(data)
            self._heard = self._heard[used:]
            if self.identification.announced_baud is not None:
                self._announced(self.identification.announced_baud)
        if self.awaits_confirmation:
            self._heard = b""
            return True, len(data)
        return self._look(), len(data)

    def read_out(self, data: bytes) -> tuple[bool | None, int]:
        """Until the meter has told everything."""
        self._heard += data
        return self._look(), len(data)

    def _look(self) -> bool | None:
        if self._heard and not self.began_ms:
            self.began_ms = self._now_ms()
        may_be_plain = self.identification is not None and self.identification.may_be_plain
        self.text, _ = codec.find_readout(self._heard, may_be_plain=may_be_plain)
        return True if self.text is not None or len(self._heard) > _MOST_TEXT else None
