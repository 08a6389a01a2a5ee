"""Every bad value is named, with what stands there and what would be right."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ingest.settings import (
    Endpoint,
    Epoch,
    FeedSettings,
    Ingest,
    Lake,
    Lease,
    Rotate,
    SettingsError,
    Size,
    Spool,
    load,
    minutes_in,
    settings,
)

LEAST = {"lake": "./lake", "ingest": {"collector": "laptop"}}


def with_value(path, value):
    """LEAST, with one value set."""
    tree = {**LEAST, "ingest": dict(LEAST["ingest"])}
    *folders, key = path.split(".")
    at = tree
    for folder in folders:
        at = at.setdefault(folder, {})
    at[key] = value
    return tree


def test_the_local_configuration_is_right():
    found = load(Path("conf/local.yaml"))
    assert found.lake == Lake("./lake")
    assert found.ingest.rotate == Rotate(5, 64)
    assert found.ingest.feeds[0] == FeedSettings("binance", "spot", "agg_trade", ("BTC-USDT", "ETH-USDT"))
    assert found.ingest.endpoints["bitso"] == {
        "spot": Endpoint(("ws://127.0.0.1:9101/bitso/spot",), ("http://127.0.0.1:9101/bitso/spot",))
    }
    assert found.jobs.stream.trigger == timedelta(seconds=10)


def test_the_least_configuration_takes_the_defaults():
    found = settings(LEAST)
    assert found.ingest == Ingest("laptop", Spool(Path("spool"), Size(20_000_000_000), 200), Rotate(60, 64))
    assert found.jobs.lease == Lease(timedelta(seconds=30))


@pytest.mark.parametrize(
    ("path", "value", "read", "expected"),
    [
        ("lake", "s3://bucket/prefix", lambda found: found.lake, Lake("s3://bucket/prefix")),
        ("lake", {"path": "s3://ticks", "path_style": True}, lambda found: found.lake, Lake("s3://ticks", path_style=True)),
        ("ingest.spool.max_bytes", "2GB", lambda found: found.ingest.spool.max_bytes, 2_000_000_000),
        ("jobs.lease.ttl", "2500ms", lambda found: found.jobs.lease.ttl, timedelta(seconds=2.5)),
        ("jobs.bars.widths", ["1m", "24h", "7d"], lambda found: found.jobs.bars.widths, ("1m", "24h", "7d")),
        (
            "jobs.fills.notionals",
            [50_000, 0.1, 1e-18, 99999999999999999999],
            lambda found: found.jobs.fills.notionals,
            (Decimal(50_000), Decimal("0.1"), Decimal("1e-18"), Decimal(10**20 - 1)),
        ),
        ("jobs.stream.close_after", "2h", lambda found: found.jobs.stream.close_after, timedelta(hours=2)),
        (
            "ingest.epochs",
            [{"venue": "binance", "market": "spot", "kind": "trade", "pair": "A-B", "n": 2, "from": "2026-05-01T02:00:00+02:00"}],
            lambda found: found.ingest.epochs,
            (Epoch("binance", "spot", "trade", "A-B", 2, datetime(2026, 5, 1, tzinfo=UTC)),),
        ),
    ],
)
def test_values_as_people_write_them(path, value, read, expected):
    assert read(settings(with_value(path, value))) == expected


WIDTHS = {"1m": 1, "5m": 5, "720m": 720, "1h": 60, "8h": 480, "1440m": 1440, "48h": 2880, "1d": 1440, "7d": 10080}


@pytest.mark.parametrize(("width", "minutes"), WIDTHS.items())
def test_a_width_has_so_many_minutes(width, minutes):
    assert minutes_in(width) == minutes
    assert settings(with_value("jobs.bars.widths", [width])).jobs.bars.widths == (width,)


FEED = {"venue": "binance", "market": "spot", "kind": "trade"}
EPOCH = {**FEED, "pair": "A-B", "n": 2, "from": "2026-05-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("lakes", 1, "lakes is 1: no such key here; one of lake, ingest, jobs"),
        ("lake", 7, "lake is 7: keys: path, endpoint, region, path_style, kms_key"),
        ("lake", "gs://bucket", "lake is 'gs://bucket': a folder or s3://bucket/prefix"),
        ("lake", "s3a://bucket", "lake is 's3a://bucket': a folder or s3://bucket/prefix"),
        ("lake", "s3://", "lake is 's3://': a folder or s3://bucket/prefix"),
        ("lake", {}, "lake.path: this key is required"),
        ("lake", {"path": "x", "path_style": "yes"}, "lake.path_style is 'yes': true or false"),
        ("ingest", {}, "ingest.collector: this key is required"),
        ("ingest", None, "ingest: keys: collector, spool, rotate, feeds, endpoints, epochs, polls"),
        ("ingest.collector", "my-laptop", "ingest.collector is 'my-laptop': a name like laptop: [a-z0-9][a-z0-9_]{0,30}"),
        ("ingest.collector", 5, "ingest.collector is 5: a text"),
        (
            "ingest.metrics",
            {"address": "127.0.0.1:65536"},
            "ingest.metrics.address is '127.0.0.1:65536': host:port, such as 127.0.0.1:9108",
        ),
        ("ingest.rotate.seconds", 0, "ingest.rotate.seconds is 0: 1 to 3600"),
        ("ingest.rotate.seconds", "60s", "ingest.rotate.seconds is '60s': a whole number"),
        ("ingest.rotate.seconds", True, "ingest.rotate.seconds is True: a whole number"),
        ("ingest.rotate.megabytes", 4096, "ingest.rotate.megabytes is 4096: 1 to 1024"),
        ("ingest.rotate.minutes", 1, "ingest.rotate.minutes is 1: no such key here; one of seconds, megabytes"),
        ("ingest.spool.fsync_ms", -1, "ingest.spool.fsync_ms is -1: 1 to 60000"),
        ("ingest.spool.max_bytes", 20, "ingest.spool.max_bytes is 20: a size such as 64MB or 20GB"),
        ("ingest.spool.max_bytes", "20 GB", "ingest.spool.max_bytes is '20 GB': a size such as 64MB or 20GB"),
        ("ingest.spool.max_bytes", "5kB", "ingest.spool.max_bytes is 5000: 1000000 to 1000000000000000"),
        ("ingest.spool.path", "", "ingest.spool.path is '': a text"),
        ("ingest.feeds", {"venue": "binance"}, "ingest.feeds is {'venue': 'binance'}: a list"),
        ("ingest.feeds", [FEED], "ingest.feeds[0].pairs: this key is required"),
        ("ingest.feeds", [{**FEED, "pairs": []}], "ingest.feeds[0].pairs is []: at least one pair"),
        (
            "ingest.feeds",
            [{**FEED, "pairs": ["BTCUSDT"]}],
            "ingest.feeds[0].pairs is 'BTCUSDT': a pair as BASE-QUOTE, such as BTC-USDT",
        ),
        ("ingest.feeds", [{**FEED, "pairs": ["btc-usdt"]}], "ingest.feeds[0].pairs is 'btc-usdt': a pair as BASE-QUOTE"),
        ("ingest.feeds", [{**FEED, "pairs": "BTC-USDT"}], "ingest.feeds[0].pairs is 'BTC-USDT': a list"),
        (
            "ingest.feeds",
            [{**FEED, "pair": ["A-B"]}],
            "ingest.feeds[0].pair is ['A-B']: no such key here; one of venue, market, kind",
        ),
        ("ingest.endpoints", [], "ingest.endpoints is []: keys and values"),
        (
            "ingest.endpoints",
            {"bitso": {"spot": {"websocket": ["http://x"]}}},
            "ingest.endpoints.bitso.spot.websocket is 'http://x': an address that begins with wss:// or ws://",
        ),
        ("ingest.endpoints", {"bitso": {"spot": {"websocket": []}}}, "ingest.endpoints.bitso.spot is {}: at least one address"),
        (
            "ingest.endpoints",
            {"bitso": {"spot": {"rest": ["ws://x"]}}},
            "ingest.endpoints.bitso.spot.rest is 'ws://x': an address that begins with https:// or http://",
        ),
        (
            "ingest.endpoints",
            {"binance": {"spot": {"dumps": ["data.example"]}}},
            "ingest.endpoints.binance.spot.dumps is 'data.example': an address that begins with https:// or http://",
        ),
        (
            "ingest.endpoints",
            {"bitso": {"spot": {"proxy": "socks5://x:1"}}},
            "ingest.endpoints.bitso.spot.proxy is 'socks5://x:1': http://host:port",
        ),
        ("ingest.silence", {"at_least": "0s"}, "ingest.silence.at_least is '0:00:00': 1s or more"),
        ("ingest.silence", {"at_most": "5s"}, "ingest.silence.at_most is '0:00:05': at_least or more"),
        ("ingest.repair", {"weight_share": 0}, "ingest.repair.weight_share is 0.0: above 0, at most 1"),
        ("ingest.repair", {"weight_share": "a"}, "ingest.repair.weight_share is 'a': a number"),
        ("ingest.epochs", [{**EPOCH, "n": 1}], "ingest.epochs[0].n is 1: 2 to 1000000"),
        ("ingest.epochs", [{**EPOCH, "pair": "AB"}], "ingest.epochs[0].pair is 'AB': a pair as BASE-QUOTE"),
        (
            "ingest.epochs",
            [{**EPOCH, "from": "2026-05-01T00:00:00"}],
            "ingest.epochs[0].from is '2026-05-01T00:00:00': a time with its zone",
        ),
        ("ingest.epochs", [{**EPOCH, "from": 5}], "ingest.epochs[0].from is 5: a time with its zone"),
        ("jobs.lease.ttl", "1s", "jobs.lease.ttl is '0:00:01': 2s or more"),
        ("jobs.lease.ttl", 30, "jobs.lease.ttl is 30: a duration such as 500ms, 30s, 10m, 2h or 7d"),
        ("jobs.stream.trigger", "1ms", "jobs.stream.trigger is '0:00:00.001000': 100ms or more"),
        ("jobs.stream.max_bytes_per_trigger", "1B", "jobs.stream.max_bytes_per_trigger is 1: 1000000 to"),
        ("jobs.gaps.halt_after", "59s", "jobs.gaps.halt_after is '0:00:59': 1m or more"),
        ("jobs.bars.widths", "5m", "jobs.bars.widths is '5m': a list"),
        ("jobs.bars.widths", [], "jobs.bars.widths is []: at least one width, such as 5m, 1h or 1d"),
        ("jobs.bars.widths", [5], "jobs.bars.widths[0] is 5: a text, in quotes"),
        *(
            ("jobs.bars.widths", ["1h", width], f"jobs.bars.widths[1] is '{width}': minutes or hours that divide a day, or whole")
            for width in ("7m", "36h", "5h", "2500m", "0m", "05m", "30s", "1.5h", "1w", "1H", "m", "100000d", "1h ")
        ),
        ("jobs.bars.widths", ["1h", "60m"], "jobs.bars.widths[1] is '60m': each width once; 1h is the same"),
        (
            "jobs.catalog.database",
            "Tick-lake",
            "jobs.catalog.database is 'Tick-lake': letters, digits and underscores, small ones",
        ),
        ("jobs.catalog.athena_output", "./athena", "jobs.catalog.athena_output is './athena': s3://bucket/prefix"),
        (
            "jobs.catalog.endpoint",
            "glue:443",
            "jobs.catalog.endpoint is 'glue:443': an address that begins with https:// or http://",
        ),
        ("jobs.fills.notionals", 50_000, "jobs.fills.notionals is 50000: a list"),
        ("jobs.fills.notionals", [], "jobs.fills.notionals is []: at least one amount of the quote currency, such as 50000"),
        ("jobs.fills.notionals", ["50000"], "jobs.fills.notionals[0] is '50000': a number"),
        *(
            (
                "jobs.fills.notionals",
                [1, amount],
                f"jobs.fills.notionals[1] is '{shown}': above 0 and below 10^20, with 18 decimals",
            )
            for amount, shown in ((0, "0"), (-5, "-5"), (1e20, f"{10**20}"), (1e-19, "0.0000000000000000001"))
        ),
        ("jobs.fills.notionals", [5, 1, 5.0], "jobs.fills.notionals[2] is '5.0': each amount once"),
        ("jobs.stream.close_after", "0s", "jobs.stream.close_after is '0:00:00': 1s or more"),
    ],
)
def test_a_bad_value_is_named_with_what_would_be_right(path, value, message):
    with pytest.raises(SettingsError) as caught:
        settings(with_value(path, value))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(("tree", "message"), [(None, "the file: keys: lake, ingest, jobs"), ([], "the file is []: keys: lake")])
def test_a_file_that_holds_no_keys_is_named(tree, message):
    with pytest.raises(SettingsError) as caught:
        settings(tree)
    assert str(caught.value).startswith(message)


def test_a_file_that_cannot_be_read_or_is_no_yaml_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"missing\.yaml: cannot be read \(No such file or directory\); --conf wants a file"):
        load(tmp_path / "missing.yaml")
    (tmp_path / "broken.yaml").write_text("lake: [")
    with pytest.raises(SettingsError, match=r"broken\.yaml: not YAML"):
        load(tmp_path / "broken.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"lake: \xff")
    with pytest.raises(SettingsError, match=r"latin\.yaml: not UTF-8"):
        load(tmp_path / "latin.yaml")
    (tmp_path / "wrong.yaml").write_text("lake: ./lake")
    with pytest.raises(SettingsError, match=r"wrong\.yaml: ingest: this key is required"):
        load(tmp_path / "wrong.yaml")
