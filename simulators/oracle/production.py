"""Pure: production events to who works on which node when (rule 4 of the records)."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from simulators.oracle.registers import parse_time
from wire.errors import BadData

_RANK = {"stop": 0, "state": 1, "start": 2}
_WORKING = ("producing", "idle_in_order", "fault", "setup", "cleaning")
_PREPARING = ("setup", "cleaning")
_TRANSPORT = ("source", "n")  # how an event came, not what it says

Weights = dict[str, Fraction]


class Production:
    """What every node was doing, from events in any order and any number of copies."""

    def __init__(self, events: Iterable[Mapping[str, Any]]) -> None:
        self.cuts: set[int] = set()
        self._changes: dict[str, list[tuple[int, str, Weights]]] = {}
        self._starts: dict[str, list[tuple[int, str, Fraction]]] = {}
        self._early: list[Mapping[str, Any]] = []  # stops that had nothing to stop yet
        for event in _in_order(events):
            if event["type"] in _RANK:
                self.cuts.add(event["t"])
                self._apply(event)
            elif event["type"] != "quantity":
                raise BadData(f"event {event['id']}: type {event['type']} is not supported here")

    def knows(self, node: str) -> bool:
        """Whether any event names the node."""
        return node in self._changes

    def takers(self, node: str, begin: int, end: int, setup_max_ms: int) -> Weights:
        """The batches that carry the node's energy in [begin, end), by weight; none: the pool."""
        changes = self._changes.get(node, [])
        i = bisect_right(changes, begin, key=lambda change: change[0])
        _, state, active = changes[i - 1] if i else (0, "idle", {})
        if active and state in _WORKING:
            return active
        if active or state not in _PREPARING:
            return {}
        starts = self._starts.get(node, [])
        first = bisect_left(starts, end, key=lambda start: start[0])
        if first == len(starts) or starts[first][0] - end > setup_max_ms:
            return {}
        return {batch: weight for t, batch, weight in starts if t == starts[first][0]}

    def _apply(self, event: Mapping[str, Any]) -> None:
        node, t = event["node"], event["t"]
        changes = self._changes.setdefault(node, [])
        state, active = (changes[-1][1], dict(changes[-1][2])) if changes else ("idle", {})
        if event["type"] == "state":
            state = event["state"]
        elif event["type"] == "start":
            if event["batch"] in active:
                raise BadData(f"event {event['id']}: {event['batch']} is active on {node} already")
            weight = Fraction(event.get("weight", "1"))
            if weight <= 0:
                raise BadData(f"event {event['id']}: weight must be above 0")
            active[event["batch"]] = weight
            self._starts.setdefault(node, []).append((t, event["batch"], weight))
            state = "producing"
        elif event["batch"] in active:
            del active[event["batch"]]
            if not active:
                state = "idle"
        else:
            self._early.append(event)
        changes.append((t, state, active))
        told = (node, t, event.get("batch"))
        for stop in self._early if event["type"] == "start" else ():
            if (stop["node"], stop["t"], stop["batch"]) == told:
                self._early.remove(stop)
                self._apply(stop)
                break


def _in_order(events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each event once, without the voided ones, times parsed, sorted as the rules say."""
    by_id: dict[str, dict[str, Any]] = {}
    for event in events:
        said = {key: value for key, value in event.items() if key not in _TRANSPORT}
        said["t"] = parse_time(event["t"])
        if by_id.setdefault(event["id"], said) != said:
            raise BadData(f"event {event['id']} stands twice with different content")
    voids = [event for event in by_id.values() if event["type"] == "void"]
    for void in voids:
        if by_id.get(void["of"], void)["type"] == "void":
            raise BadData(f"event {void['id']}: voids an unknown event or a void")
    gone = {void["of"] for void in voids} | {void["id"] for void in voids}
    left = [event for event in by_id.values() if event["id"] not in gone]
    return sorted(left, key=lambda event: (event["t"], _RANK.get(event["type"], 3), event["id"]))
