"""Open gaps of a lake, filled by the command: what lands is what the venues have of exactly the missing ids."""

import hashlib
import json
import signal
import threading
from datetime import UTC, datetime, time, timedelta

import pytest

from tests.support.desk import Desk, collected, ended
from tests.support.dumps import EPOCH, site, spot_csv, traded, usdm_csv
from tests.support.processes import ingest, simulator, until

TODAY = datetime.now(UTC).date()
DAY = TODAY - timedelta(days=3)  # older than what USD-M tells over REST
MONTH = (TODAY.replace(day=1) - timedelta(days=1)).replace(day=15)  # in a month that is over
SPOT = ("binance", "spot", "agg_trade", "BTC-USDT")
USDM = ("binance", "usdm", "agg_trade", "BTC-USDT")
ETHER = ("binance", "usdm", "agg_trade", "ETH-USDT")
COINBASE = ("coinbase", "spot", "trade", "BTC-USD")
BITSO = ("bitso", "spot", "trade", "BTC-MXN")


def daily(symbol="BTCUSDT", market="futures/um", day=DAY):
    return f"/data/{market}/daily/aggTrades/{symbol}/{symbol}-aggTrades-{day}.zip"


def monthly(symbol="BTCUSDT", market="futures/um", day=DAY):
    return f"/data/{market}/monthly/aggTrades/{symbol}/{symbol}-aggTrades-{day:%Y-%m}.zip"


def noon(day=DAY):
    return datetime.combine(day, time(12), UTC)


class Lake(Desk):
    """A lake with open gaps, and what became of them."""

    def __init__(self, folder) -> None:
        super().__init__(folder)
        self.gaps = []

    def gap(self, feed, day=DAY, *, first=20, count=40, dense=True, minutes=2, **more):
        """Some trades of a feed are missing. All that there are, and those."""
        there = traded(feed, noon(day), minutes)
        missing = there[first : first + count]
        before, after = there[first - 1], there[first + count]
        venue, market, kind, pair = feed
        self.gaps.append(
            {
                "venue": venue,
                "market": market,
                "feed": kind,
                "pair": pair,
                "before_id": before.trade_id,
                "after_id": after.trade_id,
                "first_missing_id": missing[0].trade_id if dense else None,
                "last_missing_id": missing[-1].trade_id if dense else None,
                "missing": count if dense else None,
                "before_ts": text(before.ts),
                "after_ts": text(after.ts),
                "state": "open",
                **more,
            }
        )
        return there, {(trade.trade_id, trade.price, trade.quantity) for trade in missing}

    def publish(self):
        path = self.files.root / "control" / "open-gaps.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"v": 1, "as_of": "2026-11-01T00:00:00Z", "gaps": self.gaps}))

    def repaired(self, conf):
        """Run once: exit code and the last line."""
        self.publish()
        with ingest("repair", "--conf", conf, "--once") as process:
            code, summary, errors = ended(process, 60)
            assert "Traceback" not in errors, errors
            return code, summary

    def landed(self):
        return {feed: set(trades) for feed, trades in collected(self.lines()).items()}

    def ends(self):
        """Source, outcome, rows of each repair, by venue, market and pair, in the order told."""
        found = {}
        for line in sorted(self.lines("events"), key=lambda line: (line["recv_ns"], line["seq"])):
            raw = line["raw"]
            assert raw["event"] == "repair"
            found.setdefault((line["venue"], line["market"], line["pair"]), []).append(
                (line["source"], raw["outcome"], raw["rows"])
            )
        return found


def text(ts):
    return (EPOCH + timedelta(microseconds=ts)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path)


@pytest.fixture
def there():
    with site() as found:
        yield found


def test_gaps_are_filled_over_rest_from_the_days_file_and_from_the_months(lake, there):
    _, by_rest = lake.gap(SPOT)
    _, of_coinbase = lake.gap(COINBASE)
    _, of_bitso = lake.gap(BITSO, dense=False, count=5, first=3, minutes=30)
    day, by_day = lake.gap(USDM)
    month, by_month = lake.gap(ETHER, MONTH)
    there.publish_csv(daily(), usdm_csv(day))
    there.publish_csv(monthly("ETHUSDT", day=MONTH), usdm_csv(month))
    with simulator() as (_, port):
        code, summary = lake.repaired(lake.conf(port, feeds="[]", has_rest=True, dumps=there.address))
    assert code == 0, summary
    assert " gaps=5 repaired=5 left_open=0 left_alone=0 " in summary
    landed = lake.landed()
    assert {feed: landed[feed] for feed in (SPOT, USDM, ETHER, COINBASE)} == {
        SPOT: by_rest,
        USDM: by_day,
        ETHER: by_month,
        COINBASE: of_coinbase,
    }
    assert of_bitso <= landed[BITSO]
    assert lake.ends() == {
        SPOT[:2] + SPOT[3:]: [("rest", "repaired", 40)],
        COINBASE[:2] + COINBASE[3:]: [("rest", "repaired", 40)],
        BITSO[:2] + BITSO[3:]: [("rest", "repaired", 5)],
        USDM[:2] + USDM[3:]: [("dump", "repaired", 40)],
        ETHER[:2] + ETHER[3:]: [("dump", "repaired", 40)],
    }
    assert [path for path in there.paths if "CHECKSUM" not in path] == [daily(), monthly("ETHUSDT", day=MONTH)]


def test_a_spot_gap_that_rest_cannot_fill_comes_from_the_days_file(lake, there):
    trades, missing = lake.gap(SPOT)
    data = there.publish_csv(daily(market="spot"), spot_csv(trades))
    code, summary = lake.repaired(lake.conf(9, feeds="[]", dumps=there.address))
    assert (code, " files=1 " in summary) == (0, True)
    assert lake.landed() == {SPOT: missing}
    lines = lake.lines()
    first = trades[20]
    assert lines[0] | {"recv_ns": 0} == {
        "v": 1,
        "venue": "binance",
        "market": "spot",
        "channel": "trades",
        "kind": "agg_trade",
        "pair": "BTC-USDT",
        "stream": f"BTCUSDT-aggTrades-{DAY}.zip",
        "source": "dump",
        "conn": f"file-{hashlib.sha256(data).hexdigest()[:12]}",
        "seq": 21,
        "recv_ns": 0,
        "raw": {
            "a": str(first.trade_id),
            "p": first.price,
            "q": first.quantity,
            "f": str(first.first_id),
            "l": str(first.last_id),
            "T": str(first.ts),
            "m": str(first.taker_side == "sell"),
            "M": "True",
        },
    }
    assert [line["seq"] for line in lines] == list(range(21, 61))
    assert {line["recv_ns"] for line in lines} == {lines[0]["recv_ns"]}


def test_the_simulated_venues_own_files_serve(lake):
    feed = ("binance", "spot", "agg_trade", "ETH-BTC")
    _, missing = lake.gap(feed, minutes=5)
    with simulator() as (_, port):
        code, summary = lake.repaired(lake.conf(port, feeds="[]", dumps=f"http://127.0.0.1:{port}/dumps"))
    assert code == 0, summary
    assert lake.landed() == {feed: missing}
    assert lake.ends() == {("binance", "spot", "ETH-BTC"): [("dump", "repaired", 40)]}


def test_a_wrong_checksum_leaves_the_gap_open_and_says_so(lake, there):
    trades, _ = lake.gap(USDM)
    there.publish_csv(daily(), usdm_csv(trades))
    there.there[f"{daily()}.CHECKSUM"] = b"0" * 64 + f"  BTCUSDT-aggTrades-{DAY}.zip".encode()
    code, summary = lake.repaired(lake.conf(9, feeds="[]", dumps=there.address))
    assert code == 3, summary
    assert " left_open=1 left_alone=0 checksum=1 " in summary
    assert lake.landed() == {}
    assert lake.ends() == {("binance", "usdm", "BTC-USDT"): [("dump", "checksum", 0)]}


def test_a_file_that_is_replaced_while_it_comes_serves_when_it_is_whole(lake, there):
    trades, missing = lake.gap(USDM)
    there.publish_csv(daily(), usdm_csv(trades[:30]))
    there.faults[daily()] = [lambda site: site.publish_csv(daily(), usdm_csv(trades))]
    code, summary = lake.repaired(lake.conf(9, feeds="[]", dumps=there.address))
    assert code == 0, summary
    assert lake.landed() == {USDM: missing}
    assert lake.ends() == {("binance", "usdm", "BTC-USDT"): [("dump", "checksum", 0), ("dump", "repaired", 40)]}


def test_what_only_a_person_may_repair_is_left_alone_and_what_is_not_published_is_left_open(lake, there):
    lake.gap(USDM, state="implausible")
    conf = lake.conf(9, feeds="[]", dumps=there.address)
    code, summary = lake.repaired(conf)
    assert (code, " left_open=0 left_alone=1 " in summary, there.asked) == (0, True, [])
    lake.gap(ETHER)
    code, summary = lake.repaired(conf)
    assert (code, " left_open=1 left_alone=1 not_published=1 " in summary) == (3, True)
    assert lake.ends() == {("binance", "usdm", "ETH-USDT"): [("dump", "not_published", 0)]}


def test_killed_in_the_middle_and_started_again_it_leaves_only_what_the_lake_knows_to_be_the_same(lake, there):
    trades, missing = lake.gap(USDM, count=1500, minutes=12)
    lake.publish()
    there.publish_csv(daily(), usdm_csv(trades))
    other, more = lake.gap(ETHER, count=300, minutes=5)
    lake.publish()
    there.publish_csv(daily("ETHUSDT"), usdm_csv(other))
    served, killed = threading.Event(), threading.Event()

    def wait(_):  # the first file has been read by then, and its rows wait in the spool
        served.set()
        killed.wait(30)

    there.faults[daily("ETHUSDT")] = [wait]
    conf = lake.conf(9, feeds="[]", dumps=there.address)
    with ingest("repair", "--conf", conf, "--once") as process:
        until(served.is_set, process, "the second file to be asked for")
        until(lambda: lake.lines() != [] or list((lake.folder / "spool/repair").glob("*/trades*")), process, "rows")
        process.kill()
        process.wait(20)
    killed.set()
    code, summary = lake.repaired(conf)
    assert code == 0, summary
    assert lake.landed() == {USDM: missing, ETHER: more}
    twice = {}
    for line in lake.lines():
        twice.setdefault((line["conn"], line["seq"]), set()).add(json.dumps(line["raw"]))
    assert {len(raws) for raws in twice.values()} == {1}
    assert len(twice) == 1800
    spool = lake.folder / "spool/repair"
    assert [path for path in spool.rglob("*") if path.is_file() and path.name != "lock"] == []


def test_it_goes_on_until_it_is_told_to_stop_and_lands_what_it_has(lake, there):
    trades, missing = lake.gap(USDM)
    lake.publish()
    there.publish_csv(daily(), usdm_csv(trades))
    conf = lake.conf(9, feeds="[]", dumps=there.address)
    with ingest("repair", "--conf", conf) as process:
        until(lambda: lake.landed() == {USDM: missing} and lake.ends(), process, "the gap to be filled")
        with ingest("repair", "--conf", conf, "--once") as second:
            code, _, errors = ended(second)
            assert (code, "used by another repair (process " in errors) == (1, True)
        process.send_signal(signal.SIGTERM)
        code, summary, _ = ended(process)
    assert code == 0, summary
    assert " gaps=1 repaired=1 left_open=0 " in summary
