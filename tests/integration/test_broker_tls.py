"""The generated configuration on a real Mosquitto: who may say and hear what, and who gets in."""

import asyncio
import contextlib
import itertools
import logging
import random
import stat

import pytest

from ingestor.authority import Authority
from tests.integration.secured import HOST, Secured, now_ms, secured
from tests.integration.servers import PATIENCE_S
from wire import topics
from wire.errors import ConfigError
from wire.files import keep
from wire.mqtt import Broker, Client
from wire.signing import SigningKey

pytestmark = pytest.mark.mosquitto

KINDS = ("seg", "state", "rcpt", "req")
LAST = b"that was all"


class Hurried(random.Random):
    """Tries again at once."""

    def uniform(self, *_range):
        return 0.05


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with secured(tmp_path_factory.mktemp("secured")) as made:
        yield made


@contextlib.asynccontextmanager
async def connected(broker, name, *places):
    client = Client(broker, name, subscribe=places, durable=False)
    async with client.running():
        async with asyncio.timeout(PATIENCE_S):
            await client.connected.wait()
        yield client


async def refusal(broker: Broker) -> str:
    """Why this link does not come about."""
    client = Client(broker, "whoever", random_=Hurried())
    async with client.running(), asyncio.timeout(PATIENCE_S):
        while not client.problem:
            assert not client.connected.is_set()
            await asyncio.sleep(0.02)
    return client.problem


async def heard(client, last=LAST):
    """(topic, payload) of everything that arrives before the message `last`: a broker keeps order."""
    found = set()
    async with asyncio.timeout(PATIENCE_S):
        async for message in client.messages():
            message.ack()
            if message.payload == last:
                break
            found.add((message.topic, message.payload))
    return found


async def hears_nothing(client) -> bool:
    """For a second."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            await anext(client.messages())
            return False
    return True


async def test_each_may_say_exactly_what_is_its_own(site: Secured) -> None:
    links = {
        "cq.gw-1": site.gateway("gw-1"),
        "cq.gw-2": site.gateway("gw-2"),
        "bj.gw-1": site.gateway("gw-1", "bj"),
        "cq.mes": site.system("mes"),
        "cq.scada": site.system("scada"),
        "ingestor": site.service("ingestor"),
        "calculator": site.service("calculator"),
    }
    site.reload()
    places = [f"wp/v1/{s}/{g}/{k}" for s, g in (("cq", "gw-1"), ("bj", "gw-1")) for k in KINDS]
    places += [f"wp/v1/{s}/event{own}" for s in ("cq", "bj") for own in ("", "/mes", "/scada")]
    places += ["wp/v1/cq/event/rcpt/mes", "wp/v1/cq/x/y/z", "other"]
    of_calculator = {topics.batch("cq", "b1"), topics.alarm("cq", "backlog", "a1")}
    places += of_calculator
    may_say = {
        "cq.gw-1": {"wp/v1/cq/gw-1/seg", "wp/v1/cq/gw-1/state"},
        "cq.gw-2": set(),
        "bj.gw-1": {"wp/v1/bj/gw-1/seg", "wp/v1/bj/gw-1/state"},
        "cq.mes": {"wp/v1/cq/event/mes"},
        "cq.scada": {"wp/v1/cq/event/scada"},
        "ingestor": {p for p in places if p.endswith(("seg", "rcpt", "req")) or "/event" in p},
        "calculator": of_calculator,
    }
    # Hears everything, a right no service has.
    site.ca("service", "reader", "--out", str(site.folder / "all.pem"))
    acl = site.place / "broker/services.acl"
    acl.write_text(acl.read_text() + "topic read #\n")
    site.reload()
    everything = site.link(site.folder / "all.pem", site.services_port)
    async with connected(everything, "all", "#") as ear, contextlib.AsyncExitStack() as open_:
        for name, broker in links.items():
            client = await open_.enter_async_context(connected(broker, name))
            for place in places:
                await client.publish(place, name.encode())
        await client.publish(topics.batch("cq", "b1"), LAST)  # the calculator, as it came last
        said = {(p, name.encode()) for name, own in may_say.items() for p in own}
        assert {(t, w) for t, w in await heard(ear) if not t.startswith("$")} == said


async def test_each_may_hear_exactly_what_is_its_own(site: Secured) -> None:
    links = {"cq.gw-1": site.gateway("gw-3"), "cq.gw-2": site.gateway("gw-4")}
    system = site.system("erp")
    site.reload()
    cloud = site.service("ingestor")
    places = [f"wp/v1/cq/{g}/{k}" for g, k in itertools.product(("gw-3", "gw-4"), KINDS)]
    places += [f"wp/v1/cq/event{tail}" for tail in ("", "/erp", "/lims", "/rcpt/erp", "/rcpt/lims")]
    of_calculator = {topics.batch("cq", "b2"), topics.alarm("cq", "backlog", "a2")}
    async with (
        connected(links["cq.gw-1"], "x", "#", "wp/v1/+/+/+") as first,
        connected(links["cq.gw-2"], "y", *places) as second,
        connected(system, "z", "#") as third,
        connected(cloud, "cloud") as client,
        connected(site.service("calculator"), "calculator") as calculator,
    ):
        for place in places:
            await client.publish(place, b"for you", retain=True)
        for place in of_calculator:
            await calculator.publish(place, b"for you", retain=True)
        for place in ("gw-3/rcpt", "gw-4/rcpt", "event/rcpt/erp"):
            await client.publish(f"wp/v1/cq/{place}", LAST)
        ears = await asyncio.gather(heard(first), heard(second), heard(third))
    for ear, own in zip(ears, ("gw-3", "gw-4"), strict=False):
        assert {t for t, _ in ear} == {f"wp/v1/cq/{own}/rcpt", f"wp/v1/cq/{own}/req"}
    assert {t for t, _ in ears[2]} == {"wp/v1/cq/event/rcpt/erp", *of_calculator}


def test_a_system_is_not_called_what_a_gateways_topic_ends_in(site: Secured, tmp_path) -> None:
    with pytest.raises(ConfigError, match="seg: may not be `seg`, which ends topics of gateways"):
        site.ca("system", "cq", "seg", "--out", str(tmp_path / "seg.pem"))


async def test_nobody_takes_over_anothers_session(site: Secured) -> None:
    first, second = site.gateway("gw-5"), site.gateway("gw-6")
    async with connected(first, "cq.gw-5") as victim, connected(second, "cq.gw-5"):
        await asyncio.sleep(0.5)
        assert victim.connected.is_set()
        assert victim.epoch == 1


async def test_a_gateway_has_no_business_at_the_services_door(site: Secured) -> None:
    gateway = site.gateway("gw-7")
    there = Broker(HOST, site.services_port, ca_file=gateway.ca_file, cert_file=gateway.cert_file)
    assert await refusal(there) == "our certificate is of an authority it does not know"
    here = site.link(site.place / "services/ingestor.pem")
    assert await refusal(here) == "our certificate is of an authority it does not know"


async def test_a_revoked_certificate_is_refused_and_says_so(site: Secured) -> None:
    link = site.gateway("gw-8")
    site.reload()
    async with connected(link, "cq.gw-8"):
        pass
    site.ca("revoke", "cq", "gw-8")
    site.reload()
    assert (await refusal(link)).startswith("our certificate was revoked")
    assert "cq.gw-8" not in (site.place / "broker/gateways.acl").read_text()


async def test_a_connection_that_stands_when_it_is_revoked_says_and_hears_nothing_more(
    site: Secured,
) -> None:
    link, cloud = site.gateway("gw-0"), site.service("ingestor")
    site.reload()
    seg, receipt = (f"wp/v1/cq/gw-0/{kind}" for kind in ("seg", "rcpt"))
    async with connected(link, "cq.gw-0", receipt) as stays, connected(cloud, "ear", seg) as ear:
        await stays.publish(seg, b"before")
        assert await heard(ear, b"before") == set()
        site.ca("revoke", "cq", "gw-0")
        site.reload()
        await stays.publish(seg, b"after")
        await ear.publish(receipt, b"for nobody")
        assert await hears_nothing(ear)
        assert await hears_nothing(stays)


async def test_an_expired_certificate_is_refused_and_says_so(site: Secured) -> None:
    link = site.link(site.issued_in_the_past("cq.gw-9", days_ago=30, days=29))
    assert await refusal(link) == "our certificate has expired: get a new one"


async def test_a_broker_of_another_authority_is_not_trusted(site: Secured, tmp_path) -> None:
    other = Authority.create(tmp_path / "other", now_ms)
    link = site.gateway("gw-10")
    wrong = Broker(HOST, site.port, ca_file=other.certificate("ca"), cert_file=link.cert_file)
    assert "is ca_file that of its authority?" in await refusal(wrong)


async def test_a_certificate_of_another_authority_is_refused(site: Secured, tmp_path) -> None:
    other = Authority.create(tmp_path / "other", now_ms)
    other.add("cq.gw-1", "gateway")
    key = SigningKey.new()
    keep(tmp_path / "other.pem", key.pem + other.issue("cq.gw-1", key.public.raw, 30))
    told = await refusal(site.link(tmp_path / "other.pem"))
    assert told == "our certificate is of an authority it does not know"


async def test_who_shows_none_or_asks_a_wrong_host_is_told(site: Secured) -> None:
    ca = site.place / "ca.pem"
    assert (
        await refusal(Broker(HOST, site.port, ca_file=ca))
        == "it wants a certificate: set cert_file"
    )
    named = site.gateway("gw-11")
    elsewhere = Broker("127.0.0.2", site.port, ca_file=ca, cert_file=named.cert_file)
    assert "host must be an address it was made for" in await refusal(elsewhere)


async def test_a_renewed_certificate_counts_at_the_next_connection(site: Secured, caplog) -> None:
    path = site.issued_in_the_past("cq.gw-12", days_ago=30, days=29)
    client = Client(site.link(path), "cq.gw-12", random_=Hurried())
    with caplog.at_level(logging.WARNING, "wire.mqtt"):
        async with client.running(), asyncio.timeout(PATIENCE_S):
            while "expired" not in client.problem:
                await asyncio.sleep(0.02)
            path.write_bytes(site.issued_in_the_past("cq.gw-12", 0, 30).read_bytes())
            await client.connected.wait()
    assert len([r for r in caplog.records if "expired" in r.getMessage()]) == 1, "told once"


def test_private_keys_are_their_owners_only(site: Secured) -> None:
    for name in ("ca.key", "gateways-ca.key", "broker/server.key", "services/ingestor.pem"):
        assert stat.S_IMODE((site.place / name).stat().st_mode) == 0o600, name
    log = (site.folder / "mosquitto.log").read_text()
    for path in site.place.rglob("*.key"):
        assert path.read_text().splitlines()[1] not in log


def test_an_unusable_file_is_named_before_anybody_connects(site: Secured, tmp_path) -> None:
    good = site.gateway("gw-13")
    (tmp_path / "no.pem").write_text("nothing")
    lone = good.cert_file.read_text().partition("-----BEGIN CERT")
    (tmp_path / "cert.pem").write_text(lone[1] + lone[2])
    keep(tmp_path / "other.key", SigningKey.new().pem)
    for files, problem in (
        ({"ca_file": tmp_path / "no.pem"}, "no.pem: no certificate in PEM form"),
        ({"cert_file": tmp_path / "cert.pem"}, "cert.pem: holds no private key in PEM form"),
        (
            {"cert_file": tmp_path / "cert.pem", "key_file": tmp_path / "other.key"},
            "other.key: is not the key of the certificate in",
        ),
    ):
        given = {"ca_file": good.ca_file, "cert_file": good.cert_file, **files}
        with pytest.raises(ConfigError, match=problem):
            Client(Broker(HOST, site.port, **given), "x")
