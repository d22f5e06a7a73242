"""What a scan found, told as it comes and, at the end, as tables for the configuration."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO

from edge_agent.field import paste
from edge_agent.field.progress import Progress
from edge_agent.field.sweep import Hit, Sweep, Target
from edge_agent.profiles import Profile


class Told:
    """Results to `out`, all else to `err`; with `as_json` one object at the end and no bar."""

    def __init__(
        self,
        out: TextIO,
        err: TextIO,
        now_s: Callable[[], float],
        known: Mapping[str, Profile],
        *,
        as_json: bool,
    ) -> None:
        self.progress = Progress(err, now_s, quiet=as_json)
        self.hits: list[Hit] = []
        self._out, self._err, self._now_s = out, err, now_s
        self._known, self._json = known, as_json
        self._began_s = now_s()

    def hit(self, hit: Hit) -> None:
        """Something answered."""
        self.hits.append(hit)
        if not self._json:
            self.progress.clear()
            print(_line(hit, self._known), file=self._out, flush=True)

    def interrupted(self, why: str) -> None:
        """The scan did not come to its end."""
        self.progress.clear()
        print(f"edge-agent: {why}; what follows was found before", file=self._err)

    def end(self, sweep: Sweep, tried: Sequence[Target]) -> None:
        """The summary."""
        self.progress.clear()
        if self._json:
            print(json.dumps(self._summary(sweep), ensure_ascii=False, indent=2), file=self._out)
        elif not self.hits:
            print(f"edge-agent: {_why_nothing(sweep, tried)}", file=self._err)
        elif tables := self._toml():
            print(f"\nFor the configuration:\n\n{tables}", file=self._out)

    def _summary(self, sweep: Sweep) -> dict[str, object]:
        found = [
            {
                "bus": hit.target.name,
                "table": dict(hit.target.table),
                "address": dict(hit.found.address),
                "identity": dict(hit.found.identity),
                "profiles": list(hit.found.profiles),
                "sure": hit.found.sure,
                "why": hit.found.why,
                "configured_as": _configured(hit),
            }
            for hit in self.hits
        ]
        seconds = round(self._now_s() - self._began_s, 1)
        return {"found": found, "looked": sweep.looked, "seconds": seconds, "toml": self._toml()}

    def _toml(self) -> str:
        """Tables of the meters that are not in the configuration yet, and of their buses."""
        blocks: list[Sequence[str]] = []
        named: set[str] = set()
        for hit in self.hits:
            if _configured(hit) is not None:
                continue
            if hit.target.name not in named and hit.target.table:
                blocks.append(list(paste.bus(hit.target.name, hit.target.table)))
            named.add(hit.target.name)
            blocks.append(list(paste.meter(hit.target.name, hit.found, self._known)))
        return paste.join(blocks)


def _place(hit: Hit) -> str:
    return ", ".join(f"{key} {value}" for key, value in hit.found.address.items())


def _configured(hit: Hit) -> str | None:
    """The meter's name, where the configuration has it."""
    return hit.target.meters.get(_place(hit))


def _line(hit: Hit, known: Mapping[str, Profile]) -> str:
    found, name = hit.found, _configured(hit)
    at = f"{_place(hit)} at {hit.target.where}{f' ({name})' if name else ''}"
    says = "".join(f", {key} {text}" for key, text in found.identity.items())
    why = f" ({found.why})" if found.why else ""
    if not found.profiles:
        return f"{at}: answers, but no known model looks like it{says}{why}"
    best, *others = found.profiles
    model = f"{known[best].vendor} {known[best].model}"
    doubt = f", or {', '.join(others)}" if others else ""
    return f"{at}: {found.sure} {model}, profile {best}{doubt}{says}{why}"


def _why_nothing(sweep: Sweep, tried: Sequence[Target]) -> str:
    """Nobody answered: what that may mean."""
    if sweep.heard["refused"] or sweep.heard["unreachable"] or sweep.heard["open"]:
        opened = sweep.heard["open"]
        told = (
            f"no meter found: of {len(tried)} hosts {opened} took the connection,"
            f" {sweep.heard['refused']} refused it, {sweep.heard['unreachable']} did not answer"
        )
        return f"{told}; units other than 1, 255 and 0 are tried with --units" if opened else told
    where = "; ".join(target.where for target in tried if target.where not in sweep.untried)
    where += f" (the port refuses {', '.join(sweep.untried)})" if sweep.untried else ""
    noises = [place for told in sweep.heard if (place := told.removeprefix("noise at ")) != told]
    if noises:
        return (
            f"no meter found at {where}; bytes came but no valid frame at {', '.join(noises)}:"
            " speed or parity? try others with --baud and --parity"
        )
    echo = any(told.startswith("echo at ") for told in sweep.heard)
    echoes = "; the adapter echoes what it sends, so it works" if echo else ""
    return (
        f"no meter found at {where}{echoes}: is there power, are A and B the right way round,"
        " is another speed set (--baud, --parity), another protocol (--driver)?"
    )
