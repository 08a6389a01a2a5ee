"""Fields that come and go are found, told once, and cost next to nothing to look for."""

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.collector.intake import Intake
from ingest.continuity import Continuity, Known
from ingest.drift import CLOSELY, TOLD, Drifts, Odd, Watch, odd
from ingest.exchanges import EXCHANGES, find_exchange
from ingest.exchanges.exchange import Exchange
from ingest.journal import Journal
from ingest.plan import Plan
from ingest.settings import Rotate
from ingest.spool.spool import Spool, prepare
from tests.support import wire
from tests.support.fakes import FakeTime, nothing
from tests.support.segments import lines as segment_lines

every_exchange = pytest.mark.parametrize("exchange", EXCHANGES.values(), ids=lambda exchange: exchange.name)
EVIDENCE = Path(__file__).parents[2] / "docs" / "exchanges.md"
# by line of frames.jsonl; all other frames of a feed are as documented
ODD = {"binance spot": {7: "new: new"}}


@every_exchange
def test_the_frames_of_the_documentation_have_the_fields_of_the_documentation(exchange: Exchange):
    found = {}
    for line, text in wire.frames(exchange).items():
        frame = json.loads(text)
        kind = exchange.recognise(frame).kind
        if kind in exchange.shapes:
            found[line] = kind, odd(exchange.shapes[kind], frame)
    assert {kind for kind, _ in found.values()} == set(exchange.shapes)
    assert {line: str(what) for line, (_, what) in found.items() if what} == ODD.get(exchange.name, {})


@every_exchange
def test_every_kind_that_can_be_collected_has_its_fields(exchange: Exchange):
    also = {kind for feed in exchange.aside.values() for kind in feed.also}
    assert set(exchange.shapes) == {*exchange.feeds, *exchange.aside, *exchange.recorded, *also}


@every_exchange
def test_what_is_read_of_a_frame_is_always_there(exchange: Exchange):
    for (kind, source), reading in exchange.readings.items():
        if source == "ws":
            paths = {reading.trade_id, reading.price, reading.quantity, reading.time, reading.taker, reading.first_id}
            inner = exchange.shapes[kind][-1]
            wanted = {path.rpartition(".")[2] for path in paths if path}
            assert wanted <= inner.required, kind


@every_exchange
def test_the_fields_are_those_of_the_page_with_evidence(exchange: Exchange):
    text = EVIDENCE.read_text().partition(f"## `{exchange.name}`")[2].partition("\n## ")[0]
    rows = re.findall(
        r"^\| (?:`(\w+)`|all) \| (?:`([^/`]+)`|the frame) \| (`.+`) \| (`.+`|none) \| [^|]+ \|$", text, re.MULTILINE
    )
    told = {}
    for kind, path, always, sometimes in rows:
        for each in [kind] if kind else exchange.shapes:
            told.setdefault(each, []).append((path, set(re.findall(r"`(\w+)`", always)), set(re.findall(r"`(\w+)`", sometimes))))
    assert told == {
        kind: [(fields.path, fields.required, fields.optional) for fields in shape] for kind, shape in exchange.shapes.items()
    }


AGGREGATE = {"e": "aggTrade", "E": 5, "s": "BTCUSDT", "a": 7, "p": "1", "q": "1", "f": 1, "l": 1, "T": 5, "m": True, "M": True}
MATCH = {
    "type": "match",
    "trade_id": 10,
    "sequence": 50,
    "maker_order_id": "m",
    "taker_order_id": "t",
    "time": "2014-11-07T08:19:27.028459Z",
    "product_id": "BTC-USD",
    "size": "5.23512",
    "price": "400.23",
    "side": "sell",
}
SOLD = {"i": 1, "a": "1", "r": "1", "v": "1", "mo": "m", "to": "t", "t": 1, "x": 5}
ORDER = {"o": "o", "d": 5, "r": "1", "t": 1, "s": "open"}
CANDLE = dict.fromkeys("tTsifLochlvnxqVQB")


def without(there, *names):
    return {name: value for name, value in there.items() if name not in names}


def combined(data):
    return {"stream": "s", "data": data}


def payload(*items, **more):
    return {"type": "trades", "book": "btc_mxn", "payload": [*items], "sent": 5, **more}


@pytest.mark.parametrize(
    ("exchange", "kind", "frame", "told"),
    [
        ("binance spot", "agg_trade", combined(AGGREGATE), None),
        ("binance spot", "agg_trade", combined({**without(AGGREGATE, "M"), "nq": "1"}), Odd(("nq",), ("M",))),
        ("binance spot", "agg_trade", {**combined(AGGREGATE), "id": 1}, Odd(("id",), ())),
        (
            "binance spot",
            "kline",
            combined({"e": 1, "E": 1, "s": 1, "k": {**without(CANDLE, "B"), "z": 1}}),
            Odd(("k.z",), ("k.B",)),
        ),
        ("binance spot", "kline", combined({"e": 1, "E": 1, "s": 1}), Odd((), ("k",))),
        ("binance usdm", "agg_trade", combined(without(AGGREGATE, "M")), None),
        ("binance usdm", "agg_trade", combined({**without(AGGREGATE, "M"), "nq": "1", "st": 1}), None),
        ("binance usdm", "agg_trade", combined(AGGREGATE), Odd(("M",), ())),
        ("coinbase spot", "trade", MATCH, None),
        ("coinbase spot", "trade", {**MATCH, "user_id": "u"}, Odd(("user_id",), ())),
        ("coinbase spot", "trade", without(MATCH, "side", "size"), Odd((), ("side", "size"))),
        ("bitso spot", "trade", payload(SOLD, SOLD), None),
        ("bitso spot", "trade", payload(), None),
        ("bitso spot", "trade", payload(SOLD, without(SOLD, "x"), {**SOLD, "z": 1}), Odd(("z",), ("x",))),
        ("bitso spot", "trade", payload(SOLD, sequence=1), Odd(("sequence",), ())),
        ("bitso spot", "trade", payload(7), Odd((), ("a", "i", "mo", "r", "t", "to", "v", "x"))),
        ("bitso spot", "book_diff", payload(ORDER, {**ORDER, "a": "1", "v": "1", "z": 5}, sequence=1), None),
        (
            "bitso spot",
            "book",
            {**payload(), "payload": {"bids": [{**ORDER, "a": "1", "v": "1"}], "asks": [{**ORDER, "a": "1"}]}},
            Odd((), ("asks.v",)),
        ),
    ],
)
def test_new_fields_and_lost_ones_are_found(exchange, kind, frame, told):
    assert odd(find_exchange(*exchange.split()).shapes[kind], frame) == told


@every_exchange
@given(
    frame=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["data", "payload", "k", "bids", "asks"]) | st.text(), inner)
        ),
    )
)
def test_any_json_value_can_be_looked_at(exchange: Exchange, frame: object):
    for shape in exchange.shapes.values():
        found = odd(shape, frame)
        assert found is None or re.fullmatch(r"new: .+|gone: .+|new: .+; gone: .+", str(found), re.DOTALL)


def test_a_frame_with_many_odd_fields_is_told_in_short():
    names = [f"{number:02}{'x' * 99}" for number in range(12)]
    found = odd(find_exchange("coinbase", "spot").shapes["trade"], {**MATCH, **dict.fromkeys(names)})
    assert found == Odd((*(name[:40] for name in names[:10]), "and 2 more"), ())


def test_a_watch_learns_how_many_fields_are_usual_and_forgets_what_proved_wrong():
    watch = Watch(find_exchange("coinbase", "spot").shapes["trade"])
    right, renamed = (json.dumps(frame).encode() for frame in (MATCH, {**without(MATCH, "side"), "edis": "sell"}))
    assert (watch.look(right, json.loads(right)), watch.usual) == ((), {right.count(b":")})
    assert (watch.look(renamed, json.loads(renamed)), watch.usual) == ((Odd(("edis",), ("side",)),), set())


def test_each_set_of_fields_of_a_feed_is_told_once_and_every_odd_frame_counts():
    drifts, new, gone = Drifts(), Odd(("nq",), ()), Odd((), ("M",))
    told = [drifts.take(*one) for one in [("a", new), ("a", new), ("a", gone), ("b", new), ("a", gone)]]
    assert told == [True, False, True, True, False]
    assert drifts.counts == {"a": 4, "b": 1}
    assert {feed: [str(one) for one in found] for feed, found in drifts.told.items()} == {
        "a": ["new: nq", "gone: M"],
        "b": ["new: nq"],
    }


def test_a_venue_that_makes_up_names_does_not_fill_the_disk():
    drifts = Drifts()
    told = [drifts.take("a", Odd((str(number),), ())) for number in range(TOLD + 10)]
    assert (sum(told), told[TOLD - 1 :], drifts.counts) == (TOLD, [True, *[False] * 10], {"a": TOLD + 10})


class Desk:
    """A connection to a market, and the spool that its lines go to."""

    def __init__(self, folder, exchange, feed, pair, drifts=None) -> None:
        os.close(prepare(folder))
        self.time, value = FakeTime(), find_exchange(*exchange.split())
        self.spool = Spool(folder, "laptop", Rotate(), 10**9, self.time.clock)
        feed = {**value.feeds, **value.aside}[feed]
        self.plan = Plan(value, feed, {feed.stream(pair): pair}, ())
        self.intake = Intake(self.plan, Continuity({feed.stream(pair): Known(feed.dense)}), self.spool, self.time.clock, drifts)
        self.connect()

    def connect(self):
        self.journal = Journal(self.plan, "laptop-5-1", self.intake.continuity.feeds)

    def receive(self, *frames):
        self.intake.keep(self.journal, [(self.time.wall, json.dumps(frame, separators=(",", ":")).encode()) for frame in frames])

    def lines(self):
        found = [json.loads(text) for path in self.spool.seal(nothing, everything=True) for text in segment_lines(path)]
        return {
            channel: [line for line in found if line["channel"] == channel] for channel in ("trades", "books", "diffs", "events")
        }


def match(number, **changes):
    return {**MATCH, "trade_id": number, **changes}


def test_what_is_odd_is_told_once_and_lands_all_the_same(tmp_path, caplog):
    desk = Desk(tmp_path, "coinbase spot", "trade", "BTC-USD")
    sent = [match(1), match(2), match(3, user_id="u"), match(4, user_id="u"), without(match(5), "side"), match(6)]
    desk.receive(*sent[:3])
    desk.receive(*sent[3:])
    desk.connect()
    desk.receive(match(7, user_id="u"))
    lines = desk.lines()
    assert [line["raw"] for line in lines["trades"]] == [*sent, match(7, user_id="u")]
    shared = {
        "v": 1,
        "venue": "coinbase",
        "market": "spot",
        "channel": "events",
        "kind": "control",
        "pair": "BTC-USD",
        "stream": "matches:BTC-USD",
        "source": "ws",
        "conn": "laptop-5-1",
        "recv_ns": 1_731_000_000_000_000_000,
    }
    raw = {
        "event": "drift",
        "feed": "trade",
        "stream": "matches:BTC-USD",
        "at": "2024-11-07T17:20:00.000000Z",
        **dict.fromkeys(("before_id", "after_id", "first_missing_id", "last_missing_id", "before_ts", "after_ts", "outcome")),
    }
    assert lines["events"] == [
        {**shared, "seq": 0, "raw": {**raw, "rows": 3, "detail": "new: user_id"}},
        {**shared, "seq": 1, "raw": {**raw, "rows": 5, "detail": "gone: side"}},
    ]
    assert desk.intake.drifts.counts == {"coinbase spot trade": 4}
    assert [record.getMessage() for record in caplog.records] == [
        "event=drift venue=coinbase market=spot kind=trade feed=trade stream=matches:BTC-USD detail='new: user_id'",
        "event=drift venue=coinbase market=spot kind=trade feed=trade stream=matches:BTC-USD detail='gone: side'",
    ]


def told(desk):
    return [(line["raw"]["feed"], line["raw"]["rows"], line["raw"]["detail"]) for line in desk.lines()["events"]]


def test_a_field_that_is_called_otherwise_is_found_at_the_next_close_look_and_then_always(tmp_path):
    desk = Desk(tmp_path, "coinbase spot", "trade", "BTC-USD")
    renamed = [{**without(match(number), "side"), "edis": "sell"} for number in range(2, CLOSELY + 10)]
    desk.receive(match(1), *renamed)
    assert desk.intake.drifts.counts == {"coinbase spot trade": 10}
    assert told(desk) == [("trade", CLOSELY, "new: edis; gone: side")]


def test_connections_of_one_process_tell_of_a_feed_once(tmp_path):
    drifts = Drifts()
    for folder, pair in (("a", "BTC-USD"), ("b", "ETH-USD")):
        desk = Desk(tmp_path / folder, "coinbase spot", "trade", pair, drifts)
        desk.receive(match(1, product_id=pair, zz=1))
        assert len(told(desk)) == (folder == "a")
    assert drifts.counts == {"coinbase spot trade": 2}


def test_another_kind_that_comes_down_the_stream_has_its_own_fields(tmp_path):
    desk = Desk(tmp_path, "coinbase spot", "book_diff", "BTC-USD")
    change = {"type": "l2update", "product_id": "BTC-USD", "time": "2014-11-07T08:19:27Z", "changes": []}
    snapshot = {"type": "snapshot", "product_id": "BTC-USD", "bids": [], "asks": []}
    desk.receive(snapshot, change, {**snapshot, "zz": 1}, {**change, "zz": 1})
    lines = desk.lines()
    assert [line["raw"] for line in lines["books"]] == [snapshot, {**snapshot, "zz": 1}]
    assert [line["raw"] for line in lines["diffs"]] == [change, {**change, "zz": 1}]
    assert [(line["raw"]["feed"], line["raw"]["rows"], line["raw"]["detail"]) for line in lines["events"]] == [
        ("book", 1, "new: zz"),
        ("book_diff", 2, "new: zz"),
    ]
    assert desk.intake.drifts.counts == {"coinbase spot book": 1, "coinbase spot book_diff": 1}
