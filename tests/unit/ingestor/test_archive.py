"""Archive files: whole or not there, exact, no row twice whatever happened on the way."""

import csv
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ingestor import sinks
from ingestor.sinks import Sink
from ingestor.sinks.archive import files
from tests.unit.ingestor.gateway import Gateway
from wire.errors import ConfigError, TransientError
from wire.messages import Sample
from wire.segment import Segment, open_segment

DAY_MS = 86_400_000
MIDNIGHT_MS = 1_795_000_000_000 // DAY_MS * DAY_MS  # of 2026-11-18
HOUR_MS = 3_600_000

Pairs = list[tuple[int, Segment]]


def archive(directory: Path, **others: str) -> Sink:
    table = {"kind": "archive", "directory": str(directory / "archive"), **others}
    return sinks.configure(table, "t", "s").open(directory)


def sealed(directory: Path, t_ms: Sequence[int]) -> Pairs:
    """A segment for each time."""
    return [(n, open_segment(data)) for n, data in enumerate(packets(directory, t_ms), 1)]


def packets(directory: Path, t_ms: Sequence[int], meters: int = 2) -> list[bytes]:
    gateway = Gateway.new(directory)
    found = []
    for n, t in enumerate(t_ms, 1):
        samples = [
            Sample(
                f"m-{m}", t + m, {"active_energy_import": (10**15 + n, -3), "active_power": (n, 1)}
            )
            for m in range(meters)
        ]
        found.append(gateway.seal(samples))
    return found


def rows(directory: Path, name: str) -> list[tuple[str, str, str, str, str]]:
    with (directory / "archive/s1" / name).open() as file:
        return [
            (row["meter"], row["quantity"], row["time"], row["value"], row["quality"])
            for row in csv.DictReader(file)
        ]


def test_a_day_is_a_file_once_it_is_over_and_has_every_digit(tmp_path: Path) -> None:
    pairs = sealed(tmp_path, [MIDNIGHT_MS + n * HOUR_MS // 2 for n in range(46, 52)])
    sink = archive(tmp_path)
    sink.write(pairs[:-2])
    assert not (tmp_path / "archive/s1").exists()
    sink.write(pairs[-2:])
    assert rows(tmp_path, "2026-11-18.csv") == [
        ("m-0", "active_energy_import", "2026-11-18T23:00:00.000Z", "1000000000000.001", "good"),
        ("m-0", "active_energy_import", "2026-11-18T23:30:00.000Z", "1000000000000.002", "good"),
        ("m-0", "active_power", "2026-11-18T23:00:00.000Z", "10", "good"),
        ("m-0", "active_power", "2026-11-18T23:30:00.000Z", "20", "good"),
        ("m-1", "active_energy_import", "2026-11-18T23:00:00.001Z", "1000000000000.001", "good"),
        ("m-1", "active_energy_import", "2026-11-18T23:30:00.001Z", "1000000000000.002", "good"),
        ("m-1", "active_power", "2026-11-18T23:00:00.001Z", "10", "good"),
        ("m-1", "active_power", "2026-11-18T23:30:00.001Z", "20", "good"),
    ]
    assert sorted(file.name for file in (tmp_path / "archive/s1").iterdir()) == ["2026-11-18.csv"]
    sink.close()


def test_what_comes_late_is_put_into_its_day(tmp_path: Path) -> None:
    pairs = sealed(tmp_path, [MIDNIGHT_MS, MIDNIGHT_MS + 26 * HOUR_MS, MIDNIGHT_MS + 1000])
    pairs += [(4, sealed(tmp_path, [MIDNIGHT_MS + 27 * HOUR_MS])[0][1])]
    sink = archive(tmp_path)
    for pair in pairs[:3]:
        sink.write([pair])
    assert len(rows(tmp_path, "2026-11-18.csv")) == 4
    [column] = sink.columns("s1", "m-0", MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS, ("active_power",))
    assert column.t_ms.tolist() == [MIDNIGHT_MS, MIDNIGHT_MS + 1000]
    sink.write([pairs[3]])  # the next hour
    assert len(rows(tmp_path, "2026-11-18.csv")) == 8
    sink.close()


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_file_put_together_again_and_again_stays_as_it_is(tmp_path: Path, form: str) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    times = [MIDNIGHT_MS + n * 1_200_000 for n in range(150)]
    pairs = sealed(tmp_path, times)
    sink = archive(tmp_path, form=form)
    sink.write(pairs)
    path = tmp_path / f"archive/s1/2026-11-18.{form}"
    told = path.read_bytes()
    for at in range(0, 72, 9):
        sink.write(pairs[at : at + 40])
    sink.write(pairs)
    sink._file("s1", "2026-11-18")  # type: ignore[attr-defined]
    assert path.read_bytes() == told
    [energy, _] = sink.columns("s1", "m-1", MIDNIGHT_MS, MIDNIGHT_MS + 3 * DAY_MS)
    assert energy.t_ms.tolist() == [t + 1 for t in times]
    sink.close()


@pytest.mark.parametrize(("period", "name"), [("day", "2026-11-18"), ("month", "2026-11")])
def test_parquet_says_the_same_as_csv(tmp_path: Path, period: str, name: str) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    pairs = sealed(tmp_path, [MIDNIGHT_MS + n * 6 * HOUR_MS for n in range(60)])
    for form in ("csv", "parquet"):
        sink = archive(tmp_path, form=form, period=period)
        sink.write(pairs)
        sink.close()
        (tmp_path / "archive/waiting.db").unlink()
    table = parquet.read_table(tmp_path / f"archive/s1/{name}.parquet").to_pylist()
    of_parquet = [
        (
            *(row["meter"], row["quantity"]),
            f"{row['time']:%Y-%m-%dT%H:%M:%S}.{row['time'].microsecond // 1000:03}Z",
            row["mantissa"],
            row["quality"],
        )
        for row in table
    ]
    of_csv = [
        (*row[:3], int(row[3].replace(".", "")) // (1 if "." in row[3] else 10), row[4])
        for row in rows(tmp_path, f"{name}.csv")
    ]
    assert of_parquet == of_csv
    assert len(of_csv) == (16 if period == "day" else 208)
    energy = next(row for row in table if row["quantity"] == "active_energy_import")
    assert (energy["exponent"], energy["unit"], energy["value"]) == (-3, "kWh", 1000000000000.001)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_what_has_too_many_digits_for_one_exponent_keeps_each_of_them(
    tmp_path: Path, form: str
) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    told = [(123_456_789, 0), (30_000_000_000_000_004, -17), (0, 3), (5, 0)]
    gateway, sink = Gateway.new(tmp_path), archive(tmp_path, form=form)
    samples = [
        Sample("m", MIDNIGHT_MS + n, {"active_power": value}) for n, value in enumerate(told)
    ]
    pairs = [(n, open_segment(gateway.seal([sample]))) for n, sample in enumerate(samples, 1)]
    pairs += [(9, sealed(tmp_path, [MIDNIGHT_MS + 26 * HOUR_MS])[0][1])]
    sink.write(pairs)
    path = tmp_path / f"archive/s1/2026-11-18.{form}"
    written = path.read_bytes()
    for pair in pairs:
        sink.write([pair])
    sink._file("s1", "2026-11-18")  # type: ignore[attr-defined]
    assert path.read_bytes() == written
    [column] = sink.columns("s1", "m", MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS)
    assert column.values.tolist() == [123_456_789.0, 0.30000000000000004, 0.0, 5.0]
    if form == "csv":
        values = {row[2][-4:-1]: row[3] for row in rows(tmp_path, path.name)}
        assert values["000"] == "123456789"
        assert values["001"] == "0.30000000000000004"
    sink.close()


@pytest.mark.parametrize(
    ("form", "change"),
    [
        ("csv", lambda data: data.replace(b",", b";")),
        ("csv", lambda data: data.replace(b"T", b" at ")),
        ("csv", lambda data: data + b"a remark\n"),
        ("csv", lambda _: b""),
        ("parquet", lambda data: data[:-20]),
    ],
)
def test_a_file_somebody_changed_is_named_with_its_cure_and_made_anew_without_it(
    tmp_path: Path, form: str, change: Callable[[bytes], bytes]
) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    pairs = sealed(tmp_path, [MIDNIGHT_MS, MIDNIGHT_MS + 26 * HOUR_MS, MIDNIGHT_MS + 1000])
    sink = archive(tmp_path, form=form)
    sink.write(pairs)
    sink._file("s1", "2026-11-18")  # type: ignore[attr-defined]
    path = tmp_path / f"archive/s1/2026-11-18.{form}"
    whole = path.read_bytes()
    path.write_bytes(change(whole))
    (path.parent / f"my-remarks.{form}").write_text("as long as a day's name")
    sink.write(pairs[2:])
    later = [(4, sealed(tmp_path, [MIDNIGHT_MS + 27 * HOUR_MS])[0][1])]
    cure = f"{path}: is not as it was written: .*; move it away, and `ingestor project --from 0`"
    for look in (
        lambda: sink.write(later),
        lambda: sink.columns("s1", "m-0", MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS),
        lambda: sink.meters("s1"),
    ):
        with pytest.raises(TransientError, match=cure):
            look()
    path.rename(tmp_path / "away")
    sink.write(pairs)
    sink._file("s1", "2026-11-18")  # type: ignore[attr-defined]
    assert path.read_bytes() == whole
    sink.close()


def test_a_file_somebody_changed_keeps_no_other_back(tmp_path: Path) -> None:
    times = [MIDNIGHT_MS, MIDNIGHT_MS + 26 * HOUR_MS]
    late = [MIDNIGHT_MS + 1000, MIDNIGHT_MS + 27 * HOUR_MS, MIDNIGHT_MS + 50 * HOUR_MS]
    pairs = sealed(tmp_path, [*times, *late])
    sink = archive(tmp_path)
    for pair in pairs[:2]:
        sink.write([pair])
    (tmp_path / "archive/s1/2026-11-18.csv").write_text("changed")
    with pytest.raises(TransientError, match=r"2026-11-18\.csv: is not as it was written"):
        sink.write(pairs[2:])
    assert len(rows(tmp_path, "2026-11-19.csv")) == 8
    sink.close()


_WRITER = """
import signal, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.unit.ingestor.test_archive import archive
from wire.segment import open_segment
lines = Path({pairs!r}).read_text().split()
pairs = [(n, open_segment(bytes.fromhex(line))) for n, line in enumerate(lines, 1)]
sink, cursor = archive(Path({place!r})), Path({cursor!r})
at = int(cursor.read_text()) if cursor.exists() else 0
# Processor time: however busy the machine is, it dies at work.
signal.setitimer(signal.ITIMER_PROF, float(sys.argv[1]))
while at < len(pairs):
    sink.write(pairs[at : at + 5])
    at += 5
    cursor.with_suffix(".new").write_text(str(at))
    cursor.with_suffix(".new").replace(cursor)
print("done", flush=True)
"""


def test_killed_again_and_again_no_row_is_there_twice_and_none_missing(
    tmp_path: Path, root: Path
) -> None:
    times = [MIDNIGHT_MS + n * 900_000 for n in range(320)]
    (tmp_path / "pairs").write_text("\n".join(each.hex() for each in packets(tmp_path, times)))
    code = _WRITER.format(
        root=str(root),
        pairs=str(tmp_path / "pairs"),
        place=str(tmp_path),
        cursor=str(tmp_path / "cursor"),
    )
    dice, kills, done = random.Random(4), 0, False
    while not done:
        lives_s = dice.uniform(0.005, 0.06) if kills < 4 else 0  # 0: for ever
        command = [sys.executable, "-c", code, str(lives_s)]
        child = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        kills += child.returncode == -signal.SIGPROF
        done = child.stdout == "done\n"
        assert done or child.returncode == -signal.SIGPROF
    assert kills >= 2
    told: Counter[tuple[str, ...]] = Counter()
    for day in (18, 19, 20):
        told.update(rows(tmp_path, f"2026-11-{day}.csv"))
    assert set(told.values()) == {1}
    assert len(told) == 3 * 96 * 2 * 2


def test_parquet_without_its_library_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"pip install 'wattprint\[parquet\]'"):
        archive(tmp_path, form="parquet")
