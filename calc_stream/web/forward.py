"""Events told by hand go to the ingestor, the only one who writes the journal."""

from dataclasses import dataclass
from typing import Any

import msgspec
import urllib3

from calc_stream.config import Ingestor
from calc_stream.web.problems import Problem, bad_data, not_now
from wire import tls
from wire.config import read_secret
from wire.errors import ConfigError
from wire.messages import ProductionEvent
from wire.problem import Fault, ProblemDetails, coded
from wire.reasons import because

_TIMEOUT_S = 15.0


class Placed(msgspec.Struct, frozen=True):
    """Where the journal has an event; 0 after a dry run that found it new."""

    id: str
    offset: int


@dataclass(frozen=True)
class Forward:
    """One site's events to its ingestor."""

    ingestor: Ingestor
    site: str

    def events(self, events: list[ProductionEvent], dry_run: bool) -> list[Placed]:
        """All of them, or none. Raises Problem as the ingestor has it, or 503 without one."""
        url = f"{self.ingestor.url.rstrip('/')}/v1/{self.site}/events"
        answer = self._post(url + ("?dry_run=true" if dry_run else ""), events)
        if answer.status in (200, 201):
            return msgspec.json.decode(answer.data, type=list[Placed])
        told = _refusal(answer.status, answer.data)
        if answer.status == 422:
            raise bad_data(told.detail, told.faults)
        if answer.status in (409, 413):
            raise Problem(answer.status, told.detail, told.faults)
        if answer.status in (429, 503):
            why = because("not_now", problem=told.detail)
            raise not_now(str(why), _seconds(answer.headers), [coded("ingestor", why)])
        cure = "see ingestor.url and ingestor.token_file of the calculator's configuration"
        detail = f"the ingestor answered {answer.status}: {told.detail}; {cure}"
        raise Problem(502, detail, self._misled(answer.status))

    def _misled(self, status: int) -> list[Fault]:
        """Why a calculator that is configured otherwise than the ingestor is refused."""
        if status in (401, 403):
            return [coded("ingestor", because("not_allowed"))]
        if status == 404:
            return [coded("ingestor", because("no_site", site=self.site))]
        return []

    def _post(self, url: str, events: list[ProductionEvent]) -> Any:
        try:
            token = read_secret(self.ingestor.token_file)
            trusts = tls.trusting(self.ingestor.ca_file)
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            body = msgspec.json.encode(events)
            with urllib3.PoolManager(retries=False, timeout=_TIMEOUT_S, ssl_context=trusts) as http:
                return http.request("POST", url, body=body, headers=headers)
        except ConfigError as exc:
            raise not_now(str(exc), 5) from exc
        except urllib3.exceptions.HTTPError as exc:
            why = because("no_ingestor", problem=str(exc))
            raise not_now(str(why), 5, [coded("ingestor", why)]) from exc


def _refusal(status: int, body: bytes) -> ProblemDetails:
    """What the ingestor says; the beginning of what a proxy before it does."""
    try:
        return msgspec.json.decode(body, type=ProblemDetails)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ProblemDetails("", status, body[:200].decode(errors="replace"))


def _seconds(headers: Any) -> float:
    told = headers.get("Retry-After", "")
    return float(told) if told.isdigit() else 5.0
