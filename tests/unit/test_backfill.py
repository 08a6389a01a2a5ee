"""A run of `backfill`: what is published comes into the inbox, once, whole, and again when it was replaced."""

import json
import os
import re
import threading
from datetime import date
from functools import cache

import pytest

from ingest.backfill.inbox import InboxError
from ingest.backfill.listing import ListingError
from ingest.backfill.run import Backfill, World
from ingest.backfill.wanted import Absent, Asked
from ingest.clock import SYSTEM
from ingest.exchanges import find_exchange
from ingest.landing import Files
from ingest.rest.download import fetch
from ingest.settings import Backfill as Pace
from ingest.settings import Endpoint, Ingest, Spool
from ingest.spool.spool import SpoolError, lock
from tests.support.dumps import sidecar, site, zipped

SPOT = find_exchange("binance", "spot")
INBOX = "inbox/binance/spot"
FIRST, LAST = date(2024, 1, 1), date(2024, 2, 2)
MONTH = "monthly/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-01.zip"
DAYS = [f"daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-0{day}.zip" for day in ("1-31", "2-01", "2-02", "2-03")]
ROWS = "1,61000.5,0.01,1,2,1704067200000,True,True\n" * 20_000  # two pieces of a download, packed or not


@cache  # a zip tells when it was made
def data(name):
    """Each file has other bytes; hardly packed, so that a file is more than one piece."""
    return zipped(name.rpartition("/")[2].replace(".zip", ".csv"), name + ROWS)


class Desk:
    def __init__(self, folder, venue) -> None:
        self.folder, self.venue = folder, venue
        self.store = Files(folder / "lake")
        self.stop = threading.Event()
        self.fetch = fetch(connections=2)

    def run(self, *pairs, first=FIRST, last=LAST, recheck=False, exchange=SPOT, dump=None):
        ingest = Ingest(
            "laptop",
            spool=Spool(self.folder / "spool"),
            endpoints={"binance": {exchange.market: Endpoint(dumps=[self.venue.address])}},
            backfill=Pace(2, 1000.0),
        )
        world = World(SYSTEM, self.fetch, lambda: 0.0, self.stop)
        run = Backfill(ingest, exchange, dump or exchange.dumps.kinds["agg_trade"], self.store, world, watch=0.01)
        self.shown = []
        return run.run(Asked(pairs or ["BTC-USDT"], first, last, recheck), self.shown.append)

    def inbox(self):
        return {key.removeprefix(f"{INBOX}/"): self.store.get(key)[0] for key in self.store.keys("inbox/")}

    def files(self):
        return {name: content for name, content in self.inbox().items() if not name.endswith(".CHECKSUM")}

    def left(self):
        return sorted(path.name for path in (self.folder / "spool/backfill/binance-spot").iterdir())


@pytest.fixture
def venue():
    with site() as found:
        for name in [MONTH, *DAYS]:
            found.publish(f"/data/spot/{name}", data(name))
        yield found


@pytest.fixture
def desk(tmp_path, venue):
    return Desk(tmp_path, venue)


def test_months_that_are_over_and_the_days_after_them(desk):
    end = desk.run()
    names = [MONTH, DAYS[1], DAYS[2]]
    assert desk.inbox() == {name: data(name) for name in names} | {
        f"{name}.CHECKSUM": sidecar(name.rpartition("/")[2], data(name)) for name in names
    }
    size = sum(len(data(name)) for name in names)
    assert (end.files, end.bytes, end.ends, end.absent, end.failures) == (3, size, {"fetched": 3}, [], [])
    assert (end.is_good, desk.left()) == (True, [])
    assert desk.shown[0].doing == ["asking what there is of BTC-USDT"]
    assert desk.shown[-1].done == 3
    assert end.got_bytes > size  # checksums and listings, too


def test_files_come_side_by_side(desk):
    """Each waits for the other one before its first byte."""
    both, real = threading.Barrier(2), desk.fetch

    def get(url, headers):
        if url.endswith(".zip"):
            both.wait(timeout=10)
        return real(url, headers)

    desk.fetch = get
    end = desk.run(first=date(2024, 2, 1))
    assert (end.ends, end.failures, both.broken) == ({"fetched": 2}, [], False)


def test_what_is_there_is_not_asked_for_again(desk, venue):
    desk.run()
    venue.asked.clear()
    end = desk.run()
    assert (end.ends, end.is_good) == ({"there": 3}, True)
    assert all(path.startswith("/?prefix=") for path in venue.paths)


def test_a_file_without_its_checksum_is_not_there(desk):
    """As a process leaves it that was killed between the two."""
    desk.run()
    desk.store.delete(f"{INBOX}/{MONTH}.CHECKSUM")
    (desk.folder / "lake" / INBOX / MONTH).write_bytes(b"half")
    assert desk.run().ends == {"there": 2, "fetched": 1}
    assert desk.files()[MONTH] == data(MONTH)


def test_a_file_that_the_venue_has_replaced_is_found_by_its_checksum(desk, venue):
    desk.run()
    venue.publish(f"/data/spot/{DAYS[1]}", data("other"))
    venue.asked.clear()
    assert desk.run().ends == {"there": 3}
    end = desk.run(recheck=True)
    assert (end.ends, end.is_good) == ({"same": 2, "replaced": 1}, True)
    assert desk.files()[DAYS[1]] == data("other")
    assert sorted(path for path in venue.paths if path.endswith(".zip")) == [f"/data/spot/{DAYS[1]}"]


def test_a_file_that_is_being_replaced_is_not_there(desk, venue):
    """As a process leaves it that was killed between the two: the other file has come, the checksum has not."""

    class Killed(Files):
        def put(self, key, path):
            super().put(key, path)
            raise KeyError(key)

    desk.run()
    venue.publish(f"/data/spot/{DAYS[1]}", data("other"))
    desk.store = Killed(desk.folder / "lake")
    assert desk.run(recheck=True).ends == {"same": 2, "failed": 1}
    assert f"{DAYS[1]}.CHECKSUM" not in desk.inbox()
    desk.store = Files(desk.folder / "lake")
    assert desk.run().ends == {"there": 2, "fetched": 1}
    assert desk.files()[DAYS[1]] == data("other")


def test_a_file_whose_checksum_is_not_published_yet_is_not_published(desk, venue):
    del venue.there[f"/data/spot/{DAYS[2]}.CHECKSUM"]
    end = desk.run()
    assert (end.ends, end.absent, end.is_good) == (
        {"fetched": 2},
        [("BTC-USDT", Absent(date(2024, 2, 2), date(2024, 2, 2), "after"))],
        True,
    )


def test_what_history_was_made_of_counts_where_the_inbox_has_it_no_longer(desk, venue):
    desk.run()
    sums = {key: desk.store.get(f"{key}.CHECKSUM")[0][:64].decode() for key in desk.store.keys("inbox/") if key.endswith("zip")}
    for key in list(desk.store.keys("inbox/")):
        desk.store.delete(key)
    desk.store.create("control/loads.json", json.dumps({"v": 1, "files": sums}).encode())
    assert (desk.run().ends, desk.inbox()) == ({"there": 3}, {})
    assert desk.run(recheck=True).ends == {"same": 3}
    venue.publish(f"/data/spot/{MONTH}", data("other"))
    assert desk.run(recheck=True).ends == {"same": 2, "replaced": 1}
    assert desk.files() == {MONTH: data("other")}


@pytest.mark.parametrize("text", ["[]", "{}", '{"v": 2, "files": {}}', '{"v": 1, "files": {"a": 1}}', "{"])
def test_a_list_of_loads_that_cannot_be_read_is_no_empty_one(desk, text):
    desk.store.create("control/loads.json", text.encode())
    with pytest.raises(InboxError, match=re.escape("control/loads.json is ")):
        desk.run()


def test_a_file_that_is_not_what_its_checksum_says_is_refused_and_the_others_come(desk, venue):
    venue.there[f"/data/spot/{MONTH}"] = data("other")
    end = desk.run()
    assert (end.ends, end.is_good) == ({"fetched": 2, "checksum": 1}, False)
    (failure,) = end.failures
    assert failure.startswith("BTCUSDT-aggTrades-2024-01.zip: BTCUSDT-aggTrades-2024-01.zip has the sha256 ")
    assert (sorted(desk.files()), desk.left()) == ([DAYS[1], DAYS[2]], [])
    assert venue.paths.count(f"/data/spot/{MONTH}") == 2  # it might have been replaced meanwhile


def test_a_file_that_is_replaced_while_it_comes_is_fetched_again(desk, venue):
    venue.faults[f"/data/spot/{MONTH}"] = [-1000, lambda site: site.publish(f"/data/spot/{MONTH}", data("other"))]
    assert desk.run().ends == {"fetched": 3}
    assert desk.files()[MONTH] == data("other")


def test_a_stop_leaves_what_has_come_to_the_next_run(desk, venue):
    class Body:
        """The first bytes of an answer; then somebody says stop."""

        def __init__(self, answer) -> None:
            self.answer = answer
            self.status, self.headers = answer.status, answer.headers

        def stream(self, *_args, **_options):
            yield self.answer.read(1000)
            desk.stop.set()
            yield self.answer.read(1000)

        def close(self):
            self.answer.close()

    real = desk.fetch
    desk.fetch = lambda url, headers: Body(real(url, headers)) if url.endswith(MONTH) else real(url, headers)
    end = desk.run(last=date(2024, 1, 31))
    assert (end.ends, end.files - end.done, end.is_good, desk.inbox()) == ({}, 1, False, {})
    assert desk.left() == ["BTCUSDT-aggTrades-2024-01.zip", "BTCUSDT-aggTrades-2024-01.zip.etag"]
    desk.fetch = real
    desk.stop.clear()
    venue.asked.clear()
    assert desk.run(last=date(2024, 1, 31)).ends == {"fetched": 1}
    assert [wanted for path, wanted in venue.asked if path.endswith(MONTH)] == ["bytes=2000-"]
    assert (desk.files(), desk.left()) == ({MONTH: data(MONTH)}, [])


def test_what_has_come_of_another_version_is_not_gone_on_with(desk):
    folder = desk.folder / "spool/backfill/binance-spot"
    folder.mkdir(parents=True)
    (folder / "BTCUSDT-aggTrades-2024-01.zip").write_bytes(b"another one's beginning")
    (folder / "BTCUSDT-aggTrades-2024-01.zip.etag").write_text('"another"')
    assert desk.run(last=date(2024, 1, 31)).ends == {"fetched": 1}
    assert (desk.files(), desk.left()) == ({MONTH: data(MONTH)}, [])


def test_a_lake_that_refuses_a_file_gets_it_from_the_next_run_without_the_venue(desk, venue):
    class Away(Files):
        def put(self, key, path):
            if MONTH in key:
                raise OSError("the lake is away")
            super().put(key, path)

    desk.store = Away(desk.folder / "lake")
    end = desk.run()
    assert (end.ends, end.failures) == (
        {"fetched": 2, "failed": 1},
        ["BTCUSDT-aggTrades-2024-01.zip: OSError('the lake is away')"],
    )
    desk.store = Files(desk.folder / "lake")
    venue.asked.clear()
    assert desk.run().ends == {"there": 2, "fetched": 1}
    assert [path for path in venue.paths if path.endswith(".zip")] == []
    assert (desk.files()[MONTH], desk.left()) == (data(MONTH), [])


def test_a_pattern_fits_all_that_there_ever_was_and_odd_symbols_are_told(desk, venue, caplog):
    gone = "daily/aggTrades/LUNAUSDT/LUNAUSDT-aggTrades-2024-01-15.zip"
    for name in (gone, gone.replace("LUNA", "ÆTH"), gone.replace("LUNAUSDT", "BTCXYZ"), gone.replace("USDT", "BTC")):
        venue.publish(f"/data/spot/{name}", data(name))
    venue.page = 3
    end = desk.run("*-USDT")
    assert sorted(desk.files()) == sorted([DAYS[1], DAYS[2], gone, MONTH])
    assert end.absent == [
        ("LUNA-USDT", Absent(date(2024, 1, 1), date(2024, 1, 14), "before")),
        ("LUNA-USDT", Absent(date(2024, 1, 16), date(2024, 2, 2), "after")),
    ]
    assert "event=no_pairs symbols=2 such_as=BTCXYZ,ÆTHUSDT detail=left_out" in caplog.text


def test_a_pair_of_which_there_is_nothing_is_a_failure(desk):
    end = desk.run("BTC-USDT", "NO-USDT")
    assert (end.ends, end.failures, end.is_good) == (
        {"fetched": 3},
        ["NO-USDT: nothing is published of 2024-01-01 to 2024-02-02"],
        False,
    )


def test_candles_of_a_width(desk, venue):
    name = "monthly/klines/BTCUSDT/1mo/BTCUSDT-1mo-2024-01.zip"
    venue.publish(f"/data/spot/{name}", data(name))
    end = desk.run(last=date(2024, 1, 31), dump=SPOT.dumps.candles["1M"])
    assert (end.ends, sorted(desk.files())) == ({"fetched": 1}, ["monthly/klines/BTCUSDT/BTCUSDT-1mo-2024-01.zip"])


def test_candles_of_a_week_come_though_only_a_part_of_their_month_is_asked_for(desk, venue):
    name = "monthly/klines/BTCUSDT/1w/BTCUSDT-1w-2024-01.zip"
    venue.publish(f"/data/spot/{name}", data(name))
    end = desk.run(first=date(2024, 1, 15), last=date(2024, 1, 20), dump=SPOT.dumps.candles["1w"])
    assert (end.ends, end.absent, end.failures) == ({"fetched": 1}, [], [])
    assert sorted(desk.files()) == ["monthly/klines/BTCUSDT/BTCUSDT-1w-2024-01.zip"]


@pytest.mark.parametrize("status", [403, 451, 500, 503])
def test_an_answer_that_is_no_file_is_a_failure_and_no_file(desk, venue, status):
    """And no day that the venue has nothing of."""
    venue.faults[f"/data/spot/{DAYS[2]}"] = [status] * 20
    desk.stop.wait = lambda *_: False  # no pause
    end = desk.run(first=date(2024, 2, 1))
    assert (end.ends, end.absent, end.is_good, sorted(desk.files())) == ({"fetched": 1, "failed": 1}, [], False, [DAYS[1]])
    (failure,) = end.failures
    assert failure.startswith(f"BTCUSDT-aggTrades-2024-02-02.zip: BTCUSDT-aggTrades-2024-02-02.zip: HTTP {status}")


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        (None, "no listing of data/spot/monthly/aggTrades/BTCUSDT/: listing: HTTP 403"),
        (b"<html>", "the listing of data/spot/monthly/aggTrades/BTCUSDT/ is b'<html>': "),
        (b"<html/>", "the listing of data/spot/monthly/aggTrades/BTCUSDT/ is a 'html'; a ListBucketResult would be right"),
    ],
)
def test_a_venue_that_does_not_say_what_it_has(desk, venue, listed, message):
    venue.listed, venue.faults["/?"] = listed, [] if listed else [403]
    with pytest.raises(ListingError, match=re.escape(message)):
        desk.run()


def test_a_listing_that_does_not_go_on_is_no_endless_one(desk, venue):
    venue.listed = b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"
    with pytest.raises(ListingError, match="does not go on behind"):
        desk.run()


def test_two_at_a_time_is_one_too_many(desk):
    folder = desk.folder / "spool/backfill"
    folder.mkdir(parents=True)
    handle = lock(folder, "backfill")
    try:
        with pytest.raises(SpoolError, match="used by another backfill"):
            desk.run()
    finally:
        os.close(handle)
