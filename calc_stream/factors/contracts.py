"""When it is known what contracts cover: the time whose whole energy decides about an instant's. Pure."""

from collections.abc import Iterable

from calc_stream.factors.instruments import Instrument

Span = tuple[int, int]


class Contracts:
    """The instruments of a factor set, by source; false where there are none. A residual mix takes
    what is left whatever that is, so nothing is waited for."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._of: dict[str, list[Instrument]] = {}
        for one in instruments:
            if one.type != "residual_mix":
                self._of.setdefault(one.source, []).append(one)

    def __bool__(self) -> bool:
        return bool(self._of)

    def windows(self, span: Span) -> Iterable[Span]:
        """Of all sources, those that touch a time."""
        for source in self._of:
            at = span[0]
            while at <= span[1]:
                window = self.window(source, at)
                if window is not None:
                    yield window
                starts = [one.valid_from_ms for one in self._of[source] if one.valid_from_ms > at]
                at = window[1] if window is not None else min(starts, default=span[1] + 1)

    def is_over(self, source: str, t_ms: int, upto_ms: int) -> bool:
        """Whether all that decides about an instant's energy was told, up to `upto_ms`."""
        window = self.window(source, t_ms)
        return window is None or window[1] <= upto_ms

    def window(self, source: str, t_ms: int) -> Span | None:
        """From when to when a source's energy must be known; None where no contract holds. What one
        contract leaves another takes, so windows that overlap are one."""
        begin, end = t_ms, t_ms + 1
        own, holds = self._of.get(source, []), False
        while True:
            spans = [span for one in own for at in (begin, end - 1) if (span := one.span(at))]
            spans += [
                (one.valid_from_ms, one.valid_to_ms)
                for one in own
                if one.match == "period" and one.valid_from_ms < end and begin < one.valid_to_ms
            ]
            holds = holds or bool(spans)
            wider = min([begin, *(s[0] for s in spans)]), max([end, *(s[1] for s in spans)])
            if wider == (begin, end):
                return (begin, end) if holds else None
            begin, end = wider
