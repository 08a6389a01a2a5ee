"""A run of `backfill` against a venue without files: all that was traded in the days comes into the inbox, once, or it is told."""

import json
import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.backfill.pager import Pager, Start
from ingest.backfill.paging import Paging, World
from ingest.backfill.wanted import Asked
from ingest.exchanges import find_exchange
from ingest.exchanges.exchange import Told
from ingest.landing import Files
from ingest.rest.budget import Budget
from ingest.rest.client import Client, Purpose
from ingest.settings import Backfill, Endpoint, Ingest, Limits, Repair, Spool
from tests.support.fakes import FakeTime, Stop
from tests.support.paged import EPOCH, Answer, Venue, evenly, inbox, spoilt, trade

FIRST, LAST = date(2024, 2, 29), date(2024, 3, 1)
MIDNIGHT = datetime(2024, 2, 29, tzinfo=UTC)
DAY = timedelta(days=1)
BEGIN = MIDNIGHT.timestamp() * 1_000_000
END = (MIDNIGHT + 2 * DAY).timestamp() * 1_000_000
DENSE = range(95_300, 95_300 + 8401)  # one in 36 s, 2,400 a day: the day before, two days, and half a day
SPARSE = [number * 7 + number * number % 5 for number in range(1, 1300)]


class Desk:
    """A lake, and a venue that is asked."""

    def __init__(self, folder, venue, pair, trades) -> None:
        self.folder = folder
        self.venue = Venue(venue, pair, trades)
        self.store = Files(folder / "lake")
        self.time = FakeTime()

    def run(self, *pairs, first=FIRST, last=LAST, most_pages=2, parallel=1, waits=10_000):
        stop = self.stop = Stop(self.time, waits)
        name = self.venue.venue
        ingest = Ingest(
            "laptop",
            spool=Spool(self.folder / "spool"),
            endpoints={name: {"spot": Endpoint(rest=[self.venue.address])}},
            limits=Limits(self.folder / "limits"),
            repair=Repair(0.5),
            backfill=Backfill(parallel),
        )
        world = World(self.time.clock, self.venue.get, lambda: 0.0, stop)
        exchange = find_exchange(name, "spot")
        paging = Paging(ingest, exchange, "trade", self.store, world, most_pages=most_pages, watch=0.01)
        self.shown = []
        return paging.run(Asked(pairs or [self.venue.pair], first, last), self.shown.append)

    def files(self):
        return inbox(Files(self.folder / "lake"), self.venue.venue, self.venue.pair)

    def ids(self):
        """How often each is in the files."""
        return Counter(row[0] for file in self.files().values() for row in file.trades())

    def wanted(self, begin=BEGIN, end=END):
        return {trade.trade_id for trade in self.venue.trades if begin <= trade.ts < end}

    def pages(self):
        """What was asked for and kept."""
        kept = {line["stream"] for file in self.files().values() for line in file.lines}
        return [path for path in self.venue.asked if path in kept]


@pytest.fixture
def coinbase(tmp_path):
    return Desk(tmp_path, "coinbase", "BTC-USD", evenly(DENSE, MIDNIGHT - DAY, MIDNIGHT + 2.5 * DAY))


@pytest.fixture
def bitso(tmp_path):
    return Desk(tmp_path, "bitso", "BTC-MXN", evenly(SPARSE, MIDNIGHT - DAY, MIDNIGHT + 2.5 * DAY))


def test_the_days_of_a_venue_that_counts_its_trades(coinbase):
    end = coinbase.run()
    wanted = coinbase.wanted()
    assert (min(wanted), max(wanted), len(wanted)) == (97_700, 102_499, 4800)
    assert coinbase.ids() == Counter(wanted)
    rows = {row for file in coinbase.files().values() for row in file.trades()}
    assert rows == {
        (one.trade_id, one.price, one.quantity, f"{EPOCH + timedelta(microseconds=one.ts):%Y-%m-%dT%H:%M:%S}.000000Z")
        for one in coinbase.venue.trades
        if one.trade_id in wanted
    }
    spans = [(min(row[0] for row in file.trades()), max(row[0] for row in file.trades())) for file in coinbase.files().values()]
    assert sorted(spans) == [(97700, 97999), (98000, 99999), (100000, 101999), (102000, 102499)]
    assert (end.is_good, end.files, end.pages, end.trades, end.ids, end.left) == (True, 4, 6, 4800, 4800, 0)
    assert (end.notes, end.failures) == ([], [])


def test_a_line_is_the_body_as_it_came(coinbase):
    coinbase.run()
    (key, file), *_ = sorted(coinbase.files().items(), key=lambda one: one[1].lines[0]["raw"][0]["trade_id"])
    assert re.fullmatch(r"inbox/coinbase/spot/lines/trade/BTC-USD/2024-02-29_2024-02-29_[0-9a-f]{12}\.jsonl\.gz", key)
    (line,) = file.lines
    path = "/products/BTC-USD/trades?limit=300&after=98000"
    assert line == {
        "v": 1,
        "venue": "coinbase",
        "market": "spot",
        "channel": "trades",
        "kind": "trade",
        "pair": "BTC-USD",
        "stream": path,
        "source": "rest",
        "conn": "laptop-1731000000000000000-1",
        "seq": 0,
        "recv_ns": line["recv_ns"],
        "raw": json.loads(coinbase.venue.get(coinbase.venue.address + path).data),
    }
    assert line["recv_ns"] >= 1_731_000_000_000_000_000
    assert json.loads(coinbase.store.get("control/backfill/coinbase/spot/trade/BTC-USD/97700-97999.json")[0]) == {
        "v": 1,
        "file": key,
        "trades": 300,
        "absent": [],
    }


def test_the_days_of_a_venue_whose_ids_are_not_dense(bitso):
    end = bitso.run()
    found = bitso.ids()
    assert set(found) == bitso.wanted()
    twice = {number for number, times in found.items() if times > 1}
    assert len(twice) == len(bitso.pages()) - 1  # each page begins with the last trade of the one before
    assert end.trades == len(found) == 742
    assert {file.days for file in bitso.files().values()} == {(FIRST, FIRST), (FIRST, LAST), (LAST, LAST)}
    assert (end.is_good, end.files, end.notes) == (True, 4, [])


@pytest.mark.parametrize("name", ["coinbase", "bitso"])
def test_what_is_there_is_not_asked_for_again(name, request):
    desk = request.getfixturevalue(name)
    before = desk.run()
    found, asked = desk.files(), desk.pages()
    end = desk.run()
    assert desk.files() == found
    assert desk.pages() == asked
    assert (end.there, end.files, end.left, end.ids) == (before.files, 0, 0, before.ids)
    later = desk.run(last=LAST + DAY)  # half a day more
    assert set(desk.ids()) == desk.wanted(end=END * 2)
    assert (later.there, later.is_good) == (4, True)


@pytest.mark.parametrize("name", ["coinbase", "bitso"])
def test_a_run_that_is_stopped_keeps_what_has_come_and_the_next_one_goes_on(name, request):
    desk = request.getfixturevalue(name)

    def stop(url, answer):
        if len(desk.pages_asked) == 3:
            desk.stop.set()
        desk.pages_asked.append(url)
        return answer

    desk.pages_asked = []
    whole = Desk(desk.folder / "whole", desk.venue.venue, desk.venue.pair, desk.venue.trades)
    whole.run()
    looks = len(whole.venue.asked) - len(whole.pages())
    desk.venue.spoil = lambda url, answer: stop(url, answer) if len(desk.venue.asked) > looks - (name == "bitso") else answer
    end = desk.run()
    assert (end.is_good, end.pages, end.left > 0, end.failures) == (False, 4, True, [])
    first = desk.files()
    desk.venue.spoil = lambda _, answer: answer
    assert desk.run().is_good
    assert first.items() <= desk.files().items()
    assert set(desk.ids()) == desk.wanted()
    assert max(Counter(desk.pages()).values()) == 1


def test_a_run_that_is_stopped_while_it_looks_for_the_days_says_so(coinbase):
    coinbase.venue.spoil = lambda _, answer: coinbase.stop.set() or answer
    end = coinbase.run("BTC-USD", "ETH-USD")
    assert (end.is_good, end.failures[-1]) == (False, "ETH-USD: told to stop before it was asked for")


def test_a_file_that_is_there_no_more_is_fetched_again_unless_history_was_made_of_it(coinbase):
    coinbase.run()
    gone, made, *_ = coinbase.files()
    for key in (gone, made):
        coinbase.store.delete(key)
        coinbase.store.delete(f"{key}.CHECKSUM")
    coinbase.store.create("control/loads.json", json.dumps({"v": 1, "files": {made: "0" * 64}}).encode())
    end = coinbase.run()
    assert (end.there, end.files, end.is_good) == (3, 1, True)
    assert coinbase.run().there == 4


def test_a_file_without_its_checksum_is_not_there(bitso):
    """As a process leaves it that was killed between the two."""
    bitso.run()
    key = next(iter(bitso.files()))
    bitso.store.delete(f"{key}.CHECKSUM")
    assert bitso.run().files == 1


class Dying(Files):
    """A lake that takes so many objects."""

    left = 0

    def create(self, key, data):
        self._count(key)
        return super().create(key, data)

    def replace(self, key, data, version):
        self._count(key)
        return super().replace(key, data, version)

    def _count(self, key):
        if not type(self).left:
            raise OSError(f"no room for {key}")
        type(self).left -= 1


@pytest.mark.parametrize("objects", [0, 1, 2, 5])
def test_wherever_the_lake_takes_no_more_all_that_it_says_to_have_is_there(coinbase, objects):
    """As a kill between any two objects leaves it, too: a file, its checksum, the word about it."""
    coinbase.store, Dying.left = Dying(coinbase.folder / "lake"), objects
    end = coinbase.run()
    assert ("no room for " in end.failures[0], end.left > 0) == (True, True)
    named = [json.loads(coinbase.store.get(key)[0])["file"] for key in coinbase.store.keys("control/backfill/")]
    assert set(named) <= set(coinbase.files())
    coinbase.store = Files(coinbase.folder / "lake")
    assert coinbase.run().is_good
    twice = set(coinbase.files()) - {
        json.loads(coinbase.store.get(key)[0])["file"] for key in coinbase.store.keys("control/backfill/")
    }
    assert len(twice) == (objects % 3 == 2)  # the file whose word was not written
    assert set(coinbase.ids()) == coinbase.wanted()


def test_ids_that_the_venue_should_have_and_does_not_tell_are_asked_for_twice_and_told(coinbase):
    absent = {97800, 97801, *range(99_000, 100_500)}
    coinbase.venue.trades = [one for one in coinbase.venue.trades if one.trade_id not in absent]
    end = coinbase.run()
    assert coinbase.ids() == Counter(coinbase.wanted())
    note = "BTC-USD: absent between the venue's own ids: 97800 to 97801, 99000 to 99999, 100000 to 100499"
    assert (end.notes, end.is_good, end.left) == ([note], True, 0)
    assert coinbase.venue.asked.count("/products/BTC-USD/trades?limit=1000&after=100000") == 2
    assert coinbase.run().notes == [note]  # also when all was there


def test_where_the_venue_has_none_of_a_files_ids_there_is_the_word_and_no_file(coinbase):
    coinbase.venue.trades = [one for one in coinbase.venue.trades if not 98_000 <= one.trade_id < 100_000]
    end = coinbase.run()
    assert (end.files, end.trades, end.left, end.is_good) == (3, 2800, 0, True)
    key = "control/backfill/coinbase/spot/trade/BTC-USD/98000-99999.json"
    assert json.loads(coinbase.store.get(key)[0]) == {
        "v": 1,
        "file": None,
        "trades": 0,
        "absent": [[98_000, 98_999], [99_000, 99_999]],
    }
    coinbase.venue.asked.clear()
    assert (coinbase.run().there, coinbase.pages()) == (3, [])


def test_a_file_of_another_content_is_never_taken_for_ours(coinbase, tmp_path):
    coinbase.run()
    other = Desk(tmp_path / "other", "coinbase", "BTC-USD", coinbase.venue.trades)  # with a clock that goes as the other did
    key, same, *_ = sorted(coinbase.files())
    other.store.create(key, b"other lines")
    other.store.create(same, coinbase.store.get(same)[0])  # as when the answer of the lake was lost
    end = other.run()
    assert [failure.partition(f"{key}: ")[2] for failure in end.failures] == [
        "there is another file of this name; its lines would have to be the same"
    ]
    assert key not in other.files()
    assert set(other.files()) < set(coinbase.files())


def test_a_venue_that_tells_other_trades_a_moment_later_is_not_believed(bitso):
    bitso.venue.spoil = lambda url, answer: spoilt(lambda rows: rows[1:])(url, answer) if "limit=100&" not in url else answer
    end = bitso.run()
    assert len(end.failures) == 1
    assert re.search(
        r": /api/v3/trades\?.*limit=\d\d&marker=\d+: tells other trades than /api/v3/trades\?.*limit=100&", end.failures[0]
    )
    assert end.left > 0


def test_ids_that_come_a_moment_later_are_not_absent(coinbase):
    once = []

    def late(rows):
        if len(once) < 1 and len(rows) == 300:
            once.append(rows)
            return rows[:100]
        return rows

    coinbase.venue.spoil = spoilt(late)
    end = coinbase.run()
    assert (len(once), end.notes, coinbase.ids()) == (1, [], Counter(coinbase.wanted()))


def test_a_page_that_does_not_begin_with_the_last_trade_of_the_one_before_is_told(bitso):
    wanted = sorted(bitso.wanted())
    lost = wanted[99:101]  # the last one of the first page, with which the second one is to begin, and one more

    def without(rows):
        return [row for row in rows if row["tid"] not in lost] if rows and rows[0]["tid"] in lost else rows

    bitso.venue.spoil = spoilt(without)
    end = bitso.run()
    assert set(wanted) - set(bitso.ids()) == {lost[1]}
    assert end.notes == [f"BTC-MXN: absent between the venue's own ids: {lost[0] + 1} to {wanted[101] - 1}"]
    assert end.is_good


def test_a_page_that_ends_too_early_is_told(bitso):
    """Nothing behind a trade, though the venue has told of later ones."""
    wanted = sorted(bitso.wanted())
    bitso.venue.spoil = spoilt(lambda rows: rows[:1] if rows and rows[0]["tid"] == wanted[297] else rows)
    end = bitso.run()
    assert set(bitso.ids()) == set(wanted[:298])
    assert end.notes[0].startswith(f"BTC-MXN: absent between the venue's own ids: {wanted[297] + 1} to ")


def test_as_far_back_as_the_venue_tells(coinbase, bitso):
    for desk in (coinbase, bitso):
        end = desk.run(first=date(2023, 1, 1))
        assert set(desk.ids()) == desk.wanted(begin=0)
        assert (end.notes, end.is_good) == ([f"{desk.venue.pair}: the venue tells nothing before 2024-02-28T00:00:00Z"], True)


def test_days_without_a_trade_are_a_failure(coinbase):
    end = coinbase.run(first=date(2020, 1, 1), last=date(2020, 1, 2))
    assert (end.failures, end.is_good) == (["BTC-USD: no trade of 2020-01-01 to 2020-01-02"], False)
    end = coinbase.run(first=date(2025, 1, 1), last=date(2025, 1, 2))
    assert end.failures == ["BTC-USD: no trade of 2025-01-01 to 2025-01-02; the last one is of 2024-03-02"]
    coinbase.venue.trades = []
    end = coinbase.run()
    assert end.failures == ["BTC-USD: no trade of 2024-02-29 to 2024-03-01, nor any other"]


def test_the_newest_trade_may_be_the_last_one_that_is_wanted(bitso):
    bitso.venue.trades = [one for one in bitso.venue.trades if one.ts < END]
    end = bitso.run()
    assert (set(bitso.ids()), end.is_good, end.notes) == (bitso.wanted(), True, [])


def test_a_pair_that_the_venue_does_not_know_is_a_failure_and_the_others_are_fetched(coinbase):
    end = coinbase.run("ABC-USD", "BTC-USD")
    assert end.failures == ['ABC-USD: /products/ABC-USD/trades?limit=1000: HTTP 404 {"message":"NotFound"}']
    assert coinbase.ids() == Counter(coinbase.wanted())


def test_patterns_fit_what_is_traded(coinbase):
    assert coinbase.run("*-USD").is_good
    assert coinbase.ids() == Counter(coinbase.wanted())


def test_a_venue_that_refuses_in_the_middle_ends_the_run_with_what_has_come(coinbase):
    coinbase.venue.spoil = lambda url, answer: Answer(400, b"no") if "after=101000" in url else answer
    end = coinbase.run()
    assert end.failures == [
        "BTC-USD: ids 100000 to 101999: /products/BTC-USD/trades?limit=1000&after=101000: HTTP 400 no",
    ]
    assert set(coinbase.ids()) == set(range(97700, 100_000))
    assert (end.left, end.is_good) == (102_499 - 99_999, False)


def test_an_answer_that_cannot_be_read_is_not_kept(bitso):
    bitso.venue.spoil = lambda url, answer: answer._replace(data=answer.data[:-9]) if "limit=100&" in url else answer
    end = bitso.run()
    assert len(end.failures) == 1
    assert "not readable" in end.failures[0]
    assert not bitso.files()


def test_several_threads_fetch_the_same(coinbase):
    end = coinbase.run(parallel=3)
    assert (coinbase.ids(), end.is_good, end.files) == (Counter(coinbase.wanted()), True, 4)
    conns = {line["conn"] for file in coinbase.files().values() for line in file.lines}
    assert conns <= {f"laptop-1731000000000000000-{number}" for number in (1, 2, 3)}


def test_no_more_is_asked_than_the_share_of_the_limit(coinbase):
    coinbase.run()
    asked = len(coinbase.venue.asked)
    assert coinbase.time.seconds >= (asked - 5) / 5  # half of ten a second


def test_what_is_shown_on_the_way(coinbase):
    coinbase.run()
    assert coinbase.shown[0].doing == ["looking for 2024-02-29 among the ids of BTC-USD"]
    assert (coinbase.shown[-1].ids, coinbase.shown[-1].left) == (4800, 0)


def test_a_file_is_named_by_the_earliest_and_the_latest_trade_in_it_wherever_these_stand(coinbase):
    odd = [97_800, 98_900]
    coinbase.venue.trades = [
        one._replace(ts=one.ts - 90_000_000_000) if one.trade_id in odd else one for one in coinbase.venue.trades
    ]
    coinbase.run(last=FIRST)
    days = [(file.lines[0]["stream"].partition("after=")[2], file.days) for file in coinbase.files().values()]
    assert sorted(days) == [
        ("100100", (FIRST, FIRST)),
        ("98000", (FIRST - DAY, FIRST)),
        ("99000", (FIRST - DAY, FIRST)),
    ]


def looked_for(folder, venue, seconds, ids, asked):
    """Where a moment is among these trades, and how many questions that took."""
    trades = [trade(number, second * 1_000_000) for number, second in zip(ids, seconds, strict=True)]
    there = Venue(venue, {"coinbase": "BTC-USD", "bitso": "BTC-MXN"}[venue], trades)
    exchange, time = find_exchange(venue, "spot"), FakeTime()
    budget, stop = Budget(folder / "limits.json", 1e9, 1), Stop(time, 1000)
    world = {"get": there.get, "clock": time.clock, "random": lambda: 0.0, "stop": stop}
    asking = Client(exchange.rest, [there.address], budget, Purpose("x"), **world)
    pager = Pager(asking, exchange.rest.histories["trade"], there.pair, stop, dense=venue == "coinbase")
    return pager.start(asked * 1000, 1, Told(ids[-1], seconds[-1] * 1000)), len(there.asked)


def test_a_day_may_begin_where_a_page_ends(tmp_path):
    """The first question is for the id 150, and 100 trades from there on are of the day before."""
    found, _ = looked_for(tmp_path, "bitso", [0] * 249 + [1] * 51, range(1, 301), 1)
    assert found == Start(250)
    found, _ = looked_for(tmp_path, "bitso", [0] * 251 + [1] * 49, range(1, 301), 1)
    assert found == Start(252)


@given(
    steps=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 3)), min_size=1, max_size=500),
    asked=st.integers(-1, 1200),
    venue=st.sampled_from(["coinbase", "bitso"]),
)
def test_where_a_moment_is_among_the_ids(tmp_path_factory, steps, asked, venue):
    ids = list(accumulate((step if venue == "bitso" else 1 for step, _ in steps), initial=7))
    seconds = list(accumulate((step for _, step in steps), initial=0))
    asked = min(asked, seconds[-1])
    found, questions = looked_for(tmp_path_factory.getbasetemp(), venue, seconds, ids, asked)
    earlier = [number for number, second in zip(ids, seconds, strict=True) if second < asked]
    later = [number for number, second in zip(ids, seconds, strict=True) if second >= asked]
    assert found == Start(later[0], None if earlier else seconds[0] * 1000)
    assert questions <= 14  # 2 to the 14th ids
