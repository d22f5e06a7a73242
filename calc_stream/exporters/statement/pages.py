"""What a statement says, as HTML. Numbers are rounded for people; the exact one stands beside."""

import hashlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, time
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from calc_stream.exporters import Export
from calc_stream.exporters.statement import drawings
from calc_stream.exporters.statement.markup import Markup, tag
from calc_stream.factors import load_method
from calc_stream.factors.rates import counted
from calc_stream.footprints.declaration import Declaration, Product
from calc_stream.footprints.footprint import Footprint, Withdrawn
from wire import config

_HERE = Path(__file__).parent
_TEXTS = config.load(_HERE / "texts.toml", dict[str, dict[str, str]])
_STAGES = ("value_adding", "overhead", "allocated", "inherited")

Say = Callable[..., str]


def document(export: Export, lang: str) -> str:
    """All of them, two pages each or more, in the order of publishing."""
    told = _TEXTS[lang]

    def say(key: str, **values: str) -> str:
        unit = values.get("unit")
        named = values if unit is None else values | {"unit": told.get(f"unit_{unit}", unit)}
        return told[key].format(**named)

    style = Markup((_HERE / "style.css").read_text())
    title = f"{say('title')}: {', '.join(sorted({each.product for each in export.footprints}))}"
    newest = max((each.published_ms for each in export.footprints), default=0)
    dated = moment(newest).isoformat()
    head = tag(
        "head",
        tag("title", title),
        Markup(f'<meta name="dcterms.created" content="{dated}">'),
        Markup(f'<meta name="dcterms.modified" content="{dated}">'),
        tag("style", style),
    )
    sections = [part for each in export.footprints for part in _two(each, export, say, lang)]
    if not sections:
        sections = [tag("section", tag("h1", say("title")), tag("p", say("none")))]
    body = tag("html", head, tag("body", *sections), lang="zh-CN" if lang == "zh" else "en")
    return f"<!doctype html>{body}"


def identifier(export: Export) -> bytes:
    """The file's, from what is in it."""
    ids = "\n".join(each.id for each in export.footprints)
    return hashlib.sha256(ids.encode()).hexdigest()[:32].encode()


def moment(t_ms: int) -> datetime:
    return datetime.fromtimestamp(t_ms // 1000, UTC)


def rounded(text: str, digits: int = 4) -> str:
    """To so many significant digits, half-even, never in powers of ten."""
    number = Decimal(text)
    if not number:
        return "0"
    places = digits - 1 - number.adjusted()
    return f"{round(number, places):f}" if places > 0 else str(round(number))


def _two(its: Footprint, export: Export, say: Say, lang: str) -> Iterable[Markup]:
    declared = export.declaration
    product = declared.of(its.product) if declared else None
    state, withdrawn = _state(its, export), export.withdrawn.get(its.id)
    about = f"{its.product} · {its.period} · {its.id}"
    yield tag(
        "section",
        tag("div", about, class_="about"),
        tag("div", say(state), class_="mark") if state else None,
        tag("h1", say("title")),
        tag("p", _name(its, product, lang)),
        _figure(its, say),
        tag("p", say(its.boundary)),
        tag("p", say("draft_why")) if its.draft else None,
        tag("p", say("superseded_why")) if its.id in export.superseded else None,
        tag("p", _why_not(its, withdrawn, say)) if withdrawn else None,
        _facts(_what(its, declared, product, say, lang)),
        tag("h2", say("where", unit=its.unit)),
        _stages(its, say),
        tag("h2", say("carriers")),
        _sources(its, say),
        *(_inputs(its, say) if its.upstream else ()),
    )
    yield tag(
        "section",
        tag("h2", say("quality")),
        _facts(_quality(its, say)),
        tag("h2", say("uncertainty")),
        _facts(_doubts(its, say)),
        tag("p", say("batches", unit=its.unit), class_="key"),
        drawings.dots([_per_unit(b.kg_co2e, b.good) for b in its.batches], its.kg_co2e),
        tag("h2", say("factors")),
        _factors(its, say),
        tag("h2", say("evidence")),
        tag(
            "div", tag("div", _facts(_evidence(its, say))), drawings.qr(claim(its)), class_="proof"
        ),
        tag("p", say("check")),
        class_="more",
    )


def claim(its: Footprint) -> str:
    """What the QR code holds: which footprint, and what it stands on."""
    proof = its.evidence
    parts = [its.id, str(proof.offset), proof.basis, str(proof.size), proof.root]
    return "wattprint:1:" + ":".join(parts)


def _state(its: Footprint, export: Export) -> str | None:
    """What stands over a page whose figure is not simply in force."""
    if its.id in export.withdrawn:
        return "withdrawn"
    if its.id in export.superseded:
        return "superseded"
    return "draft" if its.draft else None


def _why_not(its: Footprint, withdrawn: Withdrawn, say: Say) -> str:
    day = _days(its)(withdrawn.t_ms)
    return say("withdrawn_why", day=day, reason=withdrawn.reason)


def _name(its: Footprint, product: Product | None, lang: str) -> str:
    if product is None:
        return its.product
    names = (product.name_zh, product.description_zh) if lang == "zh" else ("", "")
    name, described = names[0] or product.name, names[1] or product.description
    return f"{name} ({its.product})" + (f": {described}" if described else "")


def _figure(its: Footprint, say: Say) -> Markup:
    known, unknown = its.u95.kg_co2e, ", ".join(its.u95.unknown_meters)
    if known:
        doubt = say("within", u95=rounded(known, 2))
    else:
        doubt = say("unsure", meters=unknown) if unknown else say("untold")
    per, under = f" {say('per', unit=its.unit)}", None
    if its.boundary == "cradle_to_gate":
        under = tag("small", say("own_part", kg=rounded(its.kg_co2e), doubt=doubt))
    else:
        per += f"  {doubt}"
    return tag(
        "div",
        tag("b", rounded(its.boundary_kg_co2e)),
        tag("span", per),
        under,
        tag("small", say("exact", kg=its.boundary_kg_co2e, unit=its.unit)),
        class_="figure",
    )


def _what(
    its: Footprint, declared: Declaration | None, product: Product | None, say: Say, lang: str
) -> Iterable[tuple[str, str]]:
    if declared is not None:
        yield say("company"), f"{declared.company.name}, {declared.company.country}"
    yield say("site"), its.site
    if product is not None:
        mass = say("declared_unit_is", unit=its.unit, mass=product.mass_kg)
        yield say("declared_unit"), mass
        codes = [*product.ids, *([f"CN {product.cn_code}"] if product.cn_code else [])]
        if codes:
            yield say("id"), ", ".join(codes)
    else:
        yield say("declared_unit"), f"1 {its.unit}"
    day = _days(its)
    period = say("upto", start=day(its.start_ms), end=day(its.end_ms))
    yield say("period"), f"{period} {its.timezone}"
    stop = "，" if lang == "zh" else ", "
    yield say("published"), f"{day(its.published_ms)}{stop}{say(f'because_{its.cause}')}"
    yield say("valid"), say("upto", start=day(its.valid_from_ms), end=day(its.valid_until_ms))
    yield say("method"), f"{its.method}: {its.standard}"
    yield say("gwp"), say("gwp_is", gwp=its.gwp)
    yield say("allocation"), "; ".join(_rules(its.allocation, lang))
    counts = {"good": its.good, "unit": its.unit, "scrap": its.scrap}
    yield say("sample"), say("sample_is", batches=str(len(its.batches)), **counts)
    yield say("energy"), say("energy_is", kwh=rounded(its.kwh_per_unit), unit=its.unit)
    for key in ("by_location", "by_market"):
        yield say(key), f"{rounded(getattr(its, key))} {say('per', unit=its.unit)}"


def _stages(its: Footprint, say: Say) -> Markup:
    parts = [(say(stage), its.stages.get(stage, "0")) for stage in _STAGES]
    if its.boundary == "cradle_to_gate" and its.upstream_kg_co2e:
        parts.append((say("upstream_stage"), its.upstream_kg_co2e))
    return drawings.bar([(name, kg, rounded(kg)) for name, kg in parts if Decimal(kg)])


def _sources(its: Footprint, say: Say) -> Markup:
    every = {name for source in its.sources for name in source.columns}
    beside = every - set(counted(every, load_method(its.method)))

    def column(name: str) -> str:
        said = say(f"column_{name}")
        return say("beside", column=said) if name in beside else said

    rows = [
        (
            f"{source.source} ({source.carrier})",
            f"{rounded(source.amount, 6)} {source.unit}",
            "; ".join(f"{column(name)} {rounded(kg, 5)}" for name, kg in source.columns.items()),
        )
        for source in its.sources
    ]
    return _table((say("source"), say("amount"), say("kg")), rows, numbers={1})


def _inputs(its: Footprint, say: Say) -> Iterable[Markup]:
    all_known = its.boundary == "cradle_to_gate"
    yield tag("h2", say("inputs" if all_known else "inputs_not_counted", unit=its.unit))
    rows = [
        (
            one.name,
            f"{one.amount} {one.unit}",
            rounded(one.kg_co2e),
            f"{one.supplier}: {one.source}",
        )
        for one in its.upstream
    ]
    heads = (say("input"), say("amount"), say("kg"), say("supplier"))
    yield _table(heads, rows, numbers={1, 2})


def _quality(its: Footprint, say: Say) -> Iterable[tuple[str, str]]:
    for key in ("measured_share", "measured_activity_share", "primary_data_share"):
        yield say(key), _percent(getattr(its, key))
    share = its.traceable_share
    yield say("traceable_share"), say("not_known") if share is None else _percent(share)
    if its.incomplete:
        yield (
            say("incomplete"),
            say("incomplete_is", some=len(its.incomplete), all=len(its.batches)),
        )


def _doubts(its: Footprint, say: Say) -> Iterable[tuple[str, str]]:
    known = its.u95
    for key, value, unit in (("u95_kwh", known.kwh, "kWh"), ("u95_kg", known.kg_co2e, "kg CO2e")):
        text = (
            say("not_known")
            if value is None
            else say("within_unit", u95=rounded(value, 2), of=unit, unit=its.unit)
        )
        yield say(key), text
    spread = its.spread
    ends = {"least": rounded(spread.least), "most": rounded(spread.most), "unit": its.unit}
    yield say("spread"), say("spread_is", **ends)
    if spread.sd is not None:
        yield say("sd"), f"{rounded(spread.sd, 3)} {say('per', unit=its.unit)}"


def _factors(its: Footprint, say: Say) -> Markup:
    rows = [
        (
            f"{one.id} ({one.region} {one.data_year})",
            f"{one.value} {one.unit}",
            f"{one.publisher}: {one.document}",
            say(one.status),
        )
        for one in its.factors
    ]
    heads = (say("factor"), say("value"), say("document"), say("status"))
    return _table(heads, rows, numbers={1})


def _evidence(its: Footprint, say: Say) -> Iterable[tuple[str, str]]:
    proof = its.evidence
    yield say("footprint_id"), its.id
    if its.supersedes:
        yield say("takes_place_of"), ", ".join(its.supersedes)
    yield say("journal"), say("journal_is", offset=str(proof.offset))
    yield say("basis"), tag("span", proof.basis, class_="hash")
    head = say("head_none")
    if proof.size:
        head = say("head_is", size=str(proof.size), root="")
    yield say("head"), tag("span", head, tag("span", proof.root, class_="hash"))


def _facts(rows: Iterable[tuple[str, str]]) -> Markup:
    return tag(
        "table",
        *(tag("tr", tag("th", name, scope="row"), tag("td", value)) for name, value in rows),
        class_="facts",
    )


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]], numbers: set[int]) -> Markup:
    def cell(kind: str, at: int, text: str) -> Markup:
        return tag(kind, text, class_="number") if at in numbers else tag(kind, text)

    return tag(
        "table",
        tag("thead", tag("tr", *(cell("th", at, text) for at, text in enumerate(heads)))),
        tag(
            "tbody",
            *(tag("tr", *(cell("td", at, text) for at, text in enumerate(row))) for row in rows),
        ),
    )


def _percent(share: str) -> str:
    """Rounded down: what is not quite all is not shown as all."""
    return f"{(Decimal(share) * 100).quantize(Decimal('0.01'), ROUND_DOWN)} %"


def _per_unit(kg: str, good: str) -> Decimal | None:
    return Decimal(kg) / Decimal(good) if Decimal(good) else None


def _rules(allocation: str, lang: str) -> Iterable[str]:
    """ "setup=next; idle=pool" in words, where there are some."""
    for rule in allocation.split("; "):
        key, _, value = rule.partition("=")
        driver, _, window = value.partition("/")
        words = _TEXTS[lang].get(f"rule_{key}_{driver}")
        yield (
            rule if words is None else words.format(window=_TEXTS[lang].get(f"window_{window}", ""))
        )


def _days(its: Footprint) -> Callable[[int], str]:
    """Dates by the site's own clock, with the time where it is not midnight."""
    zone = ZoneInfo(its.timezone)

    def day(t_ms: int) -> str:
        at = moment(t_ms).astimezone(zone)
        return f"{at:%Y-%m-%d}" if at.time() == time() else f"{at:%Y-%m-%d %H:%M:%S}"

    return day
