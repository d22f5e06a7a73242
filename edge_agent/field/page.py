"""A commissioning report as one page that needs nothing else and prints on A4."""

from collections.abc import Iterable
from html import escape

from edge_agent.field import budget, diagnosis, dossier, judgement
from edge_agent.field.commission import Commissioned
from edge_agent.field.dossier import Dossier
from edge_agent.field.judgement import shown
from edge_agent.field.page_style import STYLE
from edge_agent.field.rounds import Row
from edge_agent.field.words import Language, Text, quantity, say

_MARKS = {"good": "✓", "look": "!", "bad": "✕"}
_OUTCOMES = {"good": say("good"), "look": say("to look at"), "bad": say("not read")}
_CLOCKS = {
    "synchronized": say("set by the network, as the system says"),
    "assumed": say("set, but nobody says by whom"),
    "unset": say("not set"),
}
_CHECKS = {
    "sum": say("phases and total"),
    "product": say("power, voltage and current"),
    "sign": say("direction"),
    "balance": say("voltages"),
    "transformers": say("transformers"),
    "ratio": say("its own ratio"),
}


def page(told: Dossier, language: Language) -> str:
    """The whole file."""
    return _Page(told, language).html()


class _Page:
    def __init__(self, told: Dossier, language: Language) -> None:
        self._told, self._language = told, language

    def html(self) -> str:
        title = self._say(say("Commissioning report"))
        head = f'<meta charset="utf-8"><title>{title} {escape(self._told.gateway)}</title>'
        body = (
            f"<header><h1>{title}</h1>{self._facts()}</header>",
            f"<section>{self._h(say('Meters'))}{self._summary()}{self._overview()}</section>",
            f"<section>{self._h(say('Time of the buses'))}{self._buses()}</section>",
            *(self._meter(name, meter) for name, meter in self._told.meters.items()),
            self._signatures(),
        )
        language = "zh-CN" if self._language == "zh" else "en"
        style = f"<style>{STYLE}</style>"
        return f'<!doctype html>\n<html lang="{language}"><head>{head}{style}</head>\n<body>\n' + (
            "\n".join(body) + "\n</body></html>\n"
        )

    def _say(self, text: Text | str) -> str:
        return escape(text.told(self._language) if isinstance(text, Text) else text)

    def _h(self, text: Text) -> str:
        return f"<h2>{self._say(text)}</h2>"

    def _facts(self) -> str:
        told = self._told
        key = told.key_id or say("none yet; edge-agent key makes one")
        pairs = (
            (say("Site"), told.site),
            (say("Gateway"), told.gateway),
            (say("Key of the gateway"), key),
            (say("Software"), f"wattprint {told.version}"),
            (say("Made at"), told.when),
            (say("Clock of the gateway"), _CLOCKS[told.clock]),
            (say("Each meter read"), say("{n} times", n=told.rounds)),
        )
        return self._list(pairs)

    def _list(self, pairs: Iterable[tuple[Text, Text | str]]) -> str:
        items = (f"<div><dt>{self._say(k)}</dt><dd>{self._say(v)}</dd></div>" for k, v in pairs)
        return f"<dl>{''.join(items)}</dl>"

    def _summary(self) -> str:
        outcomes = [meter.verdict.outcome for meter in self._told.meters.values()]
        text = say(
            "{good} of {n} meters are good, {look} to look at, {bad} not read.",
            good=outcomes.count("good"),
            n=len(outcomes),
            look=outcomes.count("look"),
            bad=outcomes.count("bad"),
        )
        return f"<p>{self._say(text)}</p>"

    def _table(self, header: Iterable[Text], rows: Iterable[Iterable[str]]) -> str:
        """Cells of `rows` are HTML already."""
        head = "".join(f"<th>{self._say(text)}</th>" for text in header)
        body = "".join(f"<tr>{''.join(f'<td>{c}</td>' for c in row)}</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _mark(self, outcome: str) -> str:
        words = self._say(_OUTCOMES[outcome])
        return f'<span class="mark {outcome}">{_MARKS[outcome]} {words}</span>'

    def _overview(self) -> str:
        header = (
            *(say("Meter"), say("Model"), say("Where"), say("Serial number"), say("Outcome")),
            *(say("Answered"), say("Median")),
        )
        return self._table(header, map(self._row, self._told.meters, self._told.meters.values()))

    def _row(self, name: str, meter: Commissioned) -> tuple[str, ...]:
        wanted, line = meter.metered.wanted, dossier.line(meter.tally)
        where = f"{meter.metered.bus}, {diagnosis.place(wanted.address)}"
        return (
            f"<b>{escape(name)}</b>",
            escape(f"{wanted.profile.vendor} {wanted.profile.model}"),
            escape(where),
            escape(meter.identity.get("serial", "-")),
            self._mark(meter.verdict.outcome),
            f"{line['answered']} / {line['asked']}",
            "-" if line["median_ms"] is None else f"{line['median_ms']} ms",
        )

    def _buses(self) -> str:
        header = (
            say("Bus"),
            say("A round"),
            say("Asked every"),
            say("Of its time"),
            say("Outcome"),
        )
        rows = [
            (
                f"<b>{escape(bus.bus)}</b>",
                f"{bus.round_s:.3g} s",
                f"{bus.every} s",
                f'<span class="bar"><i style="width:{min(100, 100 * bus.used):.0f}%"></i></span>'
                f" {budget.percent(bus.used)}",
                self._say(bus.verdict if bus.tight or not bus.holds else say("good")),
            )
            for bus in self._told.buses
        ]
        return self._table(header, rows)

    def _meter(self, name: str, meter: Commissioned) -> str:
        outcome, reasons = meter.verdict
        said = "".join(f"<li>{self._say(reason)}</li>" for reason in reasons)
        head = f"<h2>{escape(name)} {self._mark(outcome)}</h2><ul>{said}</ul>"
        return f"<section class=meter>{head}{self._about(meter)}{self._found(meter)}</section>"

    def _about(self, meter: Commissioned) -> str:
        wanted = meter.metered.wanted
        profile = wanted.profile
        identity = ", ".join(f"{key} {text}" for key, text in meter.identity.items())
        own = ", ".join(f"{key} {shown(ratio)}" for key, ratio in meter.ratios.items())
        rated = judgement.site_of(meter.metered).rated_w
        short = (
            (say("Model"), f"{profile.vendor} {profile.model}"),
            (say("Where"), f"{meter.metered.bus}, {diagnosis.place(wanted.address)}"),
            (say("It says it is"), identity or say("nothing")),
            (say("Profile"), say("{name}, grade {g}", name=meter.profile, g=profile.grade)),
            (say("Transformers"), f"ct {shown(wanted.ct)}, pt {shown(wanted.pt)}"),
            (say("Set in the meter"), own or say("not known")),
            (say("Most its load draws"), "-" if rated is None else f"{shown(rated)} W"),
            (say("Requests"), _requests(meter)),
        )
        long = (
            (say("Source of the profile"), " ".join(profile.source.split())),
            (say("Note of the profile"), " ".join(profile.note.split())),
        )
        return self._list(short) + self._list(pair for pair in long if pair[1])

    def _found(self, meter: Commissioned) -> str:
        if meter.first is None:
            return ""
        checks = [
            f'<li class="{check.level}"><b>{self._say(_CHECKS[_kind(check.name)])}</b>'
            f" {self._say(check.text)}</li>"
            for check in meter.checks
        ]
        values = "".join(map(self._value, meter.first.rows))
        return f"<ul class=checks>{''.join(checks)}</ul><div class=values>{values}</div>"

    def _value(self, row: Row) -> str:
        level = "look" if row.odd else "ok" if row.value else "none"
        told = "" if level == "ok" else f"<small>{self._say(row.judgement)}</small>"
        name, value = self._say(quantity(row.quantity)), escape(row.value) or "-"
        return f'<div class="{level}"><span>{name}</span><b>{value}</b>{told}</div>'

    def _signatures(self) -> str:
        blank = "<td></td>" * 3
        rows = "".join(
            f"<tr><th>{self._say(who)}</th>{blank}</tr>"
            for who in (say("Installed by"), say("Checked by"), say("Taken over by"))
        )
        header = "".join(
            f"<th>{self._say(text)}</th>"
            for text in ("", say("Name"), say("Signature"), say("Date"))
        )
        return (
            f"<section class=signatures>{self._h(say('Signatures'))}<table><thead><tr>{header}</tr>"
            f"</thead><tbody>{rows}</tbody></table></section>"
        )


def _kind(check: str) -> str:
    return check.partition("_")[0]


def _requests(meter: Commissioned) -> Text:
    tally, line = meter.tally, dossier.line(meter.tally)
    counts = say(
        "{asked} sent: {silent} silent, {garbled} garbled; {stray} stray",
        asked=tally.asked,
        silent=tally.silent,
        garbled=tally.garbled,
        stray=tally.stray,
    )
    if line["median_ms"] is None:
        return counts
    return say(
        "{counts}; the median took {median} ms, the slowest {slowest} ms",
        counts=counts,
        median=str(line["median_ms"]),
        slowest=str(line["slowest_ms"]),
    )
