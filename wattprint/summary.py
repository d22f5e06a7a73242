"""What a run did, as one JSON object: counted by the services, judged by the simulated plant."""

import json
import subprocess
from decimal import Decimal
from typing import Any

from wattprint.plan import SITE, Place
from wattprint.supervisor import module
from wattprint.watch import LatencyWatch, ask
from wire.config import read_secret
from wire.errors import TransientError

_JUDGE_S = 600.0  # about a fifth of the time judged


def collect(place: Place, latency: LatencyWatch) -> dict[str, Any]:
    """Ask every service and the judge. Raises TransientError if one does not answer."""
    token = read_secret(place.path("api.token"))
    try:
        results = ask(f"{place.page}/v1/results", timeout_s=30)
        status = ask(f"{place.page}/v1/status")
        batches = ask(f"{place.page}/v1/batches?limit=200")
        ingested = ask(f"{place.api}/v1/status", token)["sites"][SITE]
    except OSError as exc:
        raise TransientError(f"a service did not answer at the end of the run: {exc}") from exc
    judged = _judge(place, results)
    return {
        "meters": status["meters"],
        "readings": ingested["readings"],
        "segments": ingested["segments"],
        "receipts": ingested["receipts"],
        "duplicates": ingested["duplicates"],
        "quarantined": ingested["quarantined"],
        "journal_offset": ingested["offset"],
        "calculated_offset": results["offset"],
        "intervals": results["intervals"],
        "closure": results["closure"],
        "batches": [_batch(row) for row in batches["batches"]],
        "oracle": {
            "difference_quanta": judged["oracle_difference_quanta"],
            "allowed_quanta": judged["allowed"],
        },
        "truth": judged["truth"],
        "bias": judged["bias"],
        "bias_by_carrier": judged["bias_by_carrier"],
        "within_bounds": judged["within"],
        "latency_ms": {
            "p50": latency.percentile(50),
            "p99": latency.percentile(99),
            "readings": len(latency.latencies_ms),
        },
    }


def is_good(found: dict[str, Any]) -> bool:
    """Whether there was something to judge and it kept its promises: closure exact, the judge
    content with oracle and truth, nothing in quarantine."""
    if not found["readings"] or not found["intervals"]:
        return False
    closed = all(Decimal(rest) == 0 for rest in found["closure"].values())
    return closed and bool(found["within_bounds"]) and not found["quarantined"]


def _batch(row: dict[str, Any]) -> dict[str, Any]:
    keys = ("batch", "product", "state", "energy_kwh", "kg_co2e", "good", "unit", "revision")
    return {key: row[key] for key in keys} | {"kg_co2e_per_unit": row["kg_co2e_per_unit"]}


def _judge(place: Place, results: dict[str, Any]) -> dict[str, Any]:
    path = place.path("results.json")
    path.write_text(json.dumps(results))
    command = module(
        *("simulators", "judge", "--journal", place.path("journal.db"), "--site", SITE),
        *("--results", path, "--config", place.path("plant.toml"), "--json"),
    )
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_JUDGE_S, check=False
        )
    except subprocess.TimeoutExpired as exc:
        raise TransientError(f"the judge took longer than {_JUDGE_S:.0f} s") from exc
    if done.returncode not in (0, 1) or not done.stdout:
        raise TransientError(f"the judge failed: {done.stderr.strip()}")
    judged: dict[str, Any] = json.loads(done.stdout)
    return judged
