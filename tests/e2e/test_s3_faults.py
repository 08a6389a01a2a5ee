"""An S3 that fails in every way it can, under a real collector: what was received lands once, in order, when the S3 is right again."""

import contextlib
import re
import signal
import time

import pytest

from ingest.landing import store
from ingest.settings import Lake
from tests.support.desk import Desk, ended, size
from tests.support.processes import ingest, simulator, until
from tests.support.proxy import CUT, LOSE, PASS, RESET, SLOW, STALL, proxy
from tests.support.seaweedfs import seaweedfs
from tests.support.venues import FEEDS, PATIENCE, YAML, Venues, caught_up, invented, landed, missing

BOUND = 1_000_000


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    with seaweedfs(tmp_path_factory.mktemp("weed")) as found:
        yield found


class S3Desk(Desk):
    """A desk whose lake is a bucket behind a proxy, and the four venues."""

    def __init__(self, folder, s3, bucket) -> None:
        super().__init__(folder)
        self.s3, self.bucket = s3, bucket
        s3.client().create_bucket(Bucket=bucket)
        self.files = store(Lake(f"s3://{bucket}", endpoint=s3.endpoint, region="us-east-1", path_style=True))
        self.venues = Venues(30)

    @contextlib.contextmanager
    def market(self, address, more=PATIENCE):
        """The venues, and the configuration of a collector of theirs."""
        lake = f'{{path: "s3://{self.bucket}", endpoint: "{address}", region: us-east-1, path_style: true}}'
        with simulator(*self.venues.options) as (_, port):
            yield self.conf(port, lake, YAML, has_rest=True, more=more)

    def stopped(self, collector):
        """Code, summary, errors; all that the venues had has landed."""
        until(caught_up(self, self.venues), collector, "the truth", every=0.3)
        collector.send_signal(signal.SIGTERM)
        found = ended(collector)
        trades, there = landed(self), self.venues.truth()
        assert (missing(there, trades), invented(there, trades)) == ({}, {})
        return found

    def waiting(self):
        return len(self.in_spool("sealed"))

    def spool_bytes(self):
        paths = [path for part in ("open", "sealed") for path in self.in_spool(part)]
        return sum(map(size, paths))


@pytest.fixture
def desk(tmp_path, s3, request, monkeypatch):
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return S3Desk(tmp_path, s3, f"test-{abs(hash(request.node.name))}")


def landings(way):
    """(Place, first receive time) of the objects, in the order in which they landed."""
    found = []
    for request in way.requests:
        name = re.search(r"/landing/(channel=.*)/dt=.*/(\d+)-laptop-", request.path)
        if request.method == "PUT" and request.status == 200 and name:
            found.append((name[1], int(name[2])))
    return found


def test_requests_that_fail_in_every_way_are_tried_again(desk):
    faults = ["503 SlowDown", "500 InternalError", "504 GatewayTimeout", RESET, LOSE, CUT, SLOW, LOSE]
    with (
        proxy(desk.s3.endpoint) as way,
        desk.market(way.address) as conf,
        ingest("collect", "--conf", conf, "--verbose") as collector,
    ):
        until(lambda: set(landed(desk)) == FEEDS, collector, "trades of all feeds")
        for fault in faults:
            way.next.extend([fault, PASS, PASS])
        until(lambda: not way.next, collector, "requests that fail")
        code, summary, errors = desk.stopped(collector)
        did = [request.did for request in way.requests]
    assert (code, " lost_lines=0 " in summary) == (0, True), summary
    assert {fault: did.count(fault) for fault in set(faults)} == {fault: faults.count(fault) for fault in set(faults)}
    assert errors.count("outcome=there") == 2  # answers that were lost: the object was found, and is ours
    assert "event=landing_conflict" not in errors


def test_while_s3_is_away_the_spool_keeps_its_bound_and_then_everything_lands_in_order(desk):
    with contextlib.ExitStack() as stack:
        with proxy(desk.s3.endpoint) as way:
            conf = stack.enter_context(desk.market(way.address))
            conf.write_text(conf.read_text().replace('/spool"}', f'/spool", max_bytes: {BOUND // 10**6}MB}}'))
            collector = stack.enter_context(ingest("collect", "--conf", conf))
            until(lambda: set(landed(desk)) == FEEDS, collector, "trades of all feeds")
        until(lambda: desk.spool_bytes() >= BOUND, collector, "a full spool")
        full = desk.spool_bytes()
        far = len(desk.venues.truth()["binance", "spot", "agg_trade", "BTC-USDT"])
        most = [full]

        def have_gone_on():
            most.append(desk.spool_bytes())
            return len(desk.venues.truth()["binance", "spot", "agg_trade", "BTC-USDT"]) > far + 300

        until(have_gone_on, collector, "time to pass", every=0.2)
        waiting, back = desk.waiting(), time.monotonic()
        with proxy(desk.s3.endpoint, way.port) as way:
            until(lambda: desk.waiting() <= 8, collector, "an empty spool")  # so many places there are
            seconds = time.monotonic() - back
            code, summary, _ = desk.stopped(collector)
            order = landings(way)
    assert max(most) < BOUND * 1.5, most  # what was on the way when it was reached, and what is told of it
    assert waiting > 8
    assert seconds < 30, seconds
    for place in {place for place, _ in order}:
        times = [first for other, first in order if other == place]
        assert times == sorted(times), place
    told = [line["raw"] for line in desk.lines("events") if isinstance(line.get("raw"), dict)]
    assert {raw["stream"] for raw in told if (raw.get("event"), raw.get("outcome")) == ("disconnect", "spool")} == {
        "btcusdt@aggTrade",
        "matches:BTC-USD",
        "trades:btc_mxn",
    }
    assert code == 0, summary


@pytest.mark.long
def test_what_is_refused_is_asked_for_seldom_kept_and_landed_when_it_is_right_again(desk):
    refusals = ("400 ExpiredToken", "403 AccessDenied", "404 NoSuchBucket", "301 PermanentRedirect")
    with proxy(desk.s3.endpoint) as way, desk.market(way.address) as conf, ingest("collect", "--conf", conf) as collector:
        until(lambda: set(landed(desk)) == FEEDS, collector, "trades of all feeds")
        for refusal in refusals:
            before = len(way.requests)
            way.always, began = refusal, time.monotonic()

            def asked(before=before, refusal=refusal):
                return [request for request in way.requests[before:] if request.did == refusal]

            until(lambda asked=asked: len(asked()) >= 3, collector, f"three tries that are answered {refusal}")
            assert time.monotonic() - began > 0.7  # at least 0.25 and 0.5 s between them
            assert desk.waiting() > 1
            way.always = PASS
            until(lambda: desk.waiting() <= 8, collector, f"an end of {refusal}")
        code, summary, _ = desk.stopped(collector)
    assert (code, " lost_lines=0 " in summary) == (0, True), summary


def test_new_credentials_in_their_file_are_used(desk, tmp_path, monkeypatch):
    environment = {**desk.s3.environment, "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials")}
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
        secret = environment.pop(name)
    right = f"[default]\naws_access_key_id = test-key\naws_secret_access_key = {secret}\n"
    (tmp_path / "credentials").write_text(right.replace(secret, "expired"))
    with (
        proxy(desk.s3.endpoint) as way,
        desk.market(way.address) as conf,
        ingest("collect", "--conf", conf, environment=environment) as collector,
    ):
        until(lambda: sum(request.status == 403 for request in way.requests) > 1, collector, "refusals")
        (tmp_path / "credentials").write_text(right)
        code, summary, _ = desk.stopped(collector)
    assert (code, " lost_lines=0 " in summary) == (0, True), summary


@pytest.mark.parametrize(
    ("fault", "expected"),
    [(SLOW, 0), pytest.param(STALL, 1, marks=pytest.mark.long)],
)
def test_a_stop_ends_within_20_seconds_however_slow_s3_is(desk, fault, expected):
    with proxy(desk.s3.endpoint) as way, desk.market(way.address) as conf:
        with ingest("collect", "--conf", conf) as collector:
            until(lambda: set(landed(desk)) == FEEDS, collector, "trades of all feeds")
            way.always = fault
            until(lambda: way.requests and desk.waiting() > 0, collector, "a segment that waits")
            collector.send_signal(signal.SIGTERM)
            code, summary, _ = ended(collector, 20)
        assert code == expected, summary
        assert bool(desk.waiting()) == bool(expected)
        way.always = PASS
        with ingest("collect", "--conf", conf) as collector:
            assert desk.stopped(collector)[0] == 0
    assert desk.waiting() == 0


@pytest.mark.long
def test_a_request_that_stalls_is_given_up_and_made_again(desk):
    with proxy(desk.s3.endpoint) as way, desk.market(way.address) as conf, ingest("collect", "--conf", conf) as collector:
        until(lambda: set(landed(desk)) == FEEDS, collector, "trades of all feeds")
        way.next.append(STALL)
        until(lambda: STALL in [request.did for request in way.requests], collector, "the time-out")
        code, summary, _ = desk.stopped(collector)
    assert (code, " lost_lines=0 " in summary) == (0, True), summary
