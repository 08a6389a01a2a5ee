"""The landing zone on a real S3: signatures, conditional writes, and a whole collect run."""

import gzip
import json
import os
import re
import subprocess
import sys
import threading
from datetime import UTC, date, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from ingest.backfill.paging import Paging, World
from ingest.backfill.wanted import Asked
from ingest.exchanges import find_exchange
from ingest.landing import store
from ingest.settings import Endpoint, Ingest, Lake, Limits, Spool
from tests.support.exchange_server import sends, venue
from tests.support.fakes import FakeTime, Stop
from tests.support.paged import Venue, evenly, inbox
from tests.support.seaweedfs import seaweedfs

KEY = "landing/channel=trades/venue=binance/market=spot/dt=2024-11-07/17-laptop-abc.jsonl.gz"


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    with seaweedfs(tmp_path_factory.mktemp("weed")) as found:
        yield found


@pytest.fixture
def bucket(s3, request, monkeypatch):
    """A bucket of the test's own, reached as the product does."""
    name = f"test-{abs(hash(request.node.name))}"
    s3.client().create_bucket(Bucket=name)
    for key, value in s3.environment.items():
        monkeypatch.setenv(key, value)
    return store(Lake(f"s3://{name}/some/prefix", endpoint=s3.endpoint, region="us-east-1", path_style=True))


def test_an_object_is_created_once(bucket):
    assert bucket.create(KEY, b"first") is True
    assert bucket.create(KEY, b"second") is False
    assert bucket.get(KEY)[0] == b"first"


def test_of_many_who_create_one_key_one_wins(bucket):
    won = []
    threads = [threading.Thread(target=lambda n=n: won.append(n) if bucket.create(KEY, b"%d" % n) else None) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert bucket.get(KEY)[0] == b"%d" % won[0]


def test_an_object_is_replaced_only_over_the_version_that_was_seen(bucket):
    key = "control/lease/trades.json"
    assert bucket.get(key) is None
    first = bucket.replace(key, b"1", None)
    assert bucket.replace(key, b"x", None) is None
    assert bucket.get(key) == (b"1", first)
    second = bucket.replace(key, b"2", first)
    assert bucket.replace(key, b"x", first) is None
    assert bucket.get(key) == (b"2", second)


def test_a_version_of_an_object_that_is_gone_replaces_nothing(bucket):
    version = bucket.replace("a", b"1", None)
    bucket.delete("a")
    bucket.delete("a")
    assert bucket.replace("a", b"2", version) is None
    assert bucket.get("a") is None


def test_a_file_goes_there_and_comes_back_as_old_as_it_is(bucket, tmp_path):
    file, there = tmp_path / "a.zip", tmp_path / "there"
    file.write_bytes(os.urandom(20_000_000))  # more than one part of an upload
    there.mkdir()
    bucket.create("inbox/a.zip", b"before")
    bucket.put("inbox/a.zip", file)
    found = bucket.local("inbox/a.zip", there)
    assert (found, found.read_bytes()) == (there / "a.zip", file.read_bytes())
    told = bucket.client.head_object(Bucket=bucket.bucket, Key="some/prefix/inbox/a.zip")["LastModified"]
    assert found.stat().st_mtime == told.timestamp()
    with pytest.raises(FileNotFoundError, match=re.escape("object inbox/b.zip: not there")):
        bucket.local("inbox/b.zip", there)


def test_keys_are_those_below_the_prefix(bucket):
    names = ["a/z", "a.b/y", "a/b/x", "a-b", "a0/c"]
    for name in names:
        bucket.create(f"p/{name}", b"")
    bucket.create("pp/other", b"")
    assert sorted(bucket.keys("p/")) == sorted(f"p/{name}" for name in names)
    assert list(bucket.keys("q/")) == []


def test_a_wrong_key_is_an_error_and_no_answer(s3, bucket, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    stranger = store(Lake(f"s3://{bucket.bucket}/some/prefix", endpoint=s3.endpoint, region="us-east-1", path_style=True))
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        stranger.create(KEY, b"data")
    assert bucket.get(KEY) is None


def test_a_collect_run_lands_on_s3(s3, bucket, tmp_path):
    fixed = {
        "type": "match",
        "product_id": "BTC-USD",
        "price": "1.10",
        "size": "1",
        "side": "buy",
        "time": "2026-11-21T00:00:00Z",
    }
    ids = {"sequence": 1, "maker_order_id": "m", "taker_order_id": "t"}
    frames = [json.dumps({**fixed, **ids, "trade_id": n}) for n in range(1000)]
    with venue(sends(*frames)) as there:
        conf = tmp_path / "conf.yaml"
        conf.write_text(f"""
lake: {{path: "s3://{bucket.bucket}/some/prefix", endpoint: "{s3.endpoint}", region: us-east-1, path_style: true}}
ingest:
  collector: laptop
  spool: {{path: "{tmp_path / "spool"}"}}
  rotate: {{seconds: 1, megabytes: 64}}
  feeds: [{{venue: coinbase, market: spot, kind: trade, pairs: [BTC-USD]}}]
  endpoints: {{coinbase: {{spot: {{websocket: ["{there.address}"]}}}}}}
""")
        done = subprocess.run(
            [sys.executable, "-m", "ingest", "collect", "--conf", str(conf), "--for", "3s"],
            env={**os.environ, **s3.environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert "frames=1000 trades=1000" in done.stdout
    lines = [
        json.loads(line)
        for key in bucket.keys("landing/channel=trades/")
        for line in gzip.decompress(bucket.get(key)[0]).splitlines()
    ]
    assert [json.dumps(line["raw"]) for line in lines] == frames
    assert [line["seq"] for line in lines] == list(range(1000))
    assert list((tmp_path / "spool/collect/sealed").iterdir()) == []


def test_the_past_that_is_paged_lies_in_the_bucket_and_is_not_asked_for_again(bucket, tmp_path):
    begin = datetime(2024, 2, 29, tzinfo=UTC)
    there = Venue(
        "coinbase", "BTC-USD", evenly(range(1, 2402), begin, begin + timedelta(days=1))
    )  # the last one is of the next day
    ingest = Ingest(
        "laptop",
        spool=Spool(tmp_path / "spool"),
        endpoints={"coinbase": {"spot": Endpoint(rest=[there.address])}},
        limits=Limits(tmp_path / "limits"),
    )

    def fetched():
        time = FakeTime()
        world = World(time.clock, there.get, lambda: 0.0, Stop(time, 1000))
        paging = Paging(ingest, find_exchange("coinbase", "spot"), "trade", bucket, world, most_pages=1)
        return paging.run(Asked(["BTC-USD"], date(2024, 2, 29), date(2024, 2, 29)), lambda _: None)

    first = fetched()
    files = inbox(bucket, "coinbase", "BTC-USD")
    assert sorted(row[0] for file in files.values() for row in file.trades()) == list(range(1, 2401))
    assert (first.files, first.is_good) == (3, True)
    again = fetched()
    assert (again.files, again.there, again.is_good) == (0, 3, True)
    assert inbox(bucket, "coinbase", "BTC-USD") == files
