"""A recording replayed: byte for byte, only what was subscribed, and refused where it cannot mean coins."""

import gzip
import json
from decimal import Decimal
from pathlib import Path

import pytest

from ingest.exchanges import find_exchange
from ingest.simulator.faults import drop
from ingest.simulator.recording import recording
from ingest.simulator.worlds import recorded
from tests.support import wire
from tests.support.readings import EPOCH, rows
from tests.support.simulation import client, heard, subscribe, venues

SPOT, USDM, COINBASE, BITSO = (
    find_exchange(*name) for name in (("binance", "spot"), ("binance", "usdm"), ("coinbase", "spot"), ("bitso", "spot"))
)
TRADE_1 = (
    '{"stream":"btcusdt@trade","data":{"e":"trade","E":1731000000125,"s":"BTCUSDT","t":7,'
    '"p":"60000.10000000", "q":"0.50000000","T":1731000000123,"m":true,"M":true}}'  # a blank that nobody would write
)
TICKER = '{"stream":"btcusdt@bookTicker","data":{"u":4,"s":"BTCUSDT","b":"1","B":"1","a":"2","A":"2"}}'
SNAPSHOT = '{"lastUpdateId":160,"bids":[],"asks":[]}'
TRADE_2 = TRADE_1.replace('"t":7', '"t":8').replace('"m":true', '"m":false')
OTHER = TRADE_1.replace("btcusdt", "ethusdt").replace("BTCUSDT", "ETHUSDT")
FILL = (
    '{"stream":"btcusdt@trade","data":{"e":"trade","E":1731000000125,"T":1731000000123,"s":"BTCUSDT","t":7,'
    '"p":"60000.10","q":"0.500","X":"INSURANCE_FUND","m":true}}'
)


def written(path: Path, *lines: str) -> Path:
    data = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.fixture(params=["frames.jsonl", "frames.jsonl.gz", "feed.ws"])
def recorded_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The same five texts in both formats, packed and not."""
    texts = [TRADE_1, TICKER, SNAPSHOT, TRADE_2, OTHER]
    if request.param == "feed.ws":
        asked = "wss://stream.binance.com:9443/stream?streams=btcusdt@trade <-> 1731000000.1"
        return written(tmp_path / request.param, asked, *(f"1731000000.{place}5: {text}" for place, text in enumerate(texts)), "")
    return written(tmp_path / request.param, *(f"1731000000{place}50000000 {text}" for place, text in enumerate(texts)))


def test_what_was_subscribed_is_sent_as_it_was_recorded(recorded_file: Path):
    said = subscribe(["btcusdt@trade"])
    with (
        venues(recorded(recorded_file, SPOT, None)) as running,
        client(running.address + "/binance/spot/stream", said) as connection,
    ):
        assert heard(connection) == ['{"result":null,"id":1}', TRADE_1, TRADE_2]
    trade = {"first_id": None, "last_id": None, "price": "60000.10000000", "quantity": "0.50000000"}
    times = {"ts": 1_731_000_000_123_000, "event_ts": 1_731_000_000_125_000}
    spot = {"venue": "binance", "market": "spot", "kind": "trade"}
    assert running.truth() == [
        {**spot, "pair": "BTC-USDT", "trade_id": 7, **trade, "taker_side": "sell", **times, "sent": True, "dropped": False},
        {**spot, "pair": "BTC-USDT", "trade_id": 8, **trade, "taker_side": "buy", **times, "sent": True, "dropped": False},
        {**spot, "pair": "ETH-USDT", "trade_id": 7, **trade, "taker_side": "sell", **times, "sent": False, "dropped": False},
    ]


def test_streams_that_hold_no_trades_can_be_subscribed_too(recorded_file: Path):
    said = subscribe(["btcusdt@bookTicker"])
    with (
        venues(recorded(recorded_file, SPOT, None)) as running,
        client(running.address + "/binance/spot/stream", said) as connection,
    ):
        assert heard(connection) == ['{"result":null,"id":1}', TICKER]


def test_a_recording_can_have_a_hole(recorded_file: Path):
    said, hole = subscribe(["btcusdt@trade"]), drop("binance", "spot", "BTC-USDT", 0.2, 1)
    world = recorded(recorded_file, SPOT, None, [hole])
    with venues(world) as running, client(running.address + "/binance/spot/stream", said) as connection:
        assert heard(connection)[1:] == [TRADE_1]
    assert [(line["trade_id"], line["dropped"]) for line in running.truth()] == [(7, False), (8, True), (7, False)]


def test_times_are_those_of_the_receiver_and_never_go_back(tmp_path: Path):
    path = written(
        tmp_path / "r.jsonl", f"1731000000200000999 {TRADE_1}", f"1731000000100000000 {TRADE_2}", f"1731000000.3: {OTHER}"
    )
    assert [frame.at for frame in recording(path, SPOT)] == [1_731_000_000_200_000, 1_731_000_000_200_000, 1_731_000_000_300_000]


def test_a_fill_of_the_insurance_fund_is_sent_and_is_no_trade(tmp_path: Path):
    (frame,) = recording(written(tmp_path / "r.jsonl", f"1731000000000000000 {FILL}"), USDM)
    assert (frame.text.decode(), frame.trades) == (FILL, ())


@pytest.mark.parametrize("exchange", [SPOT, USDM, COINBASE, BITSO], ids=lambda exchange: exchange.name)
def test_the_truth_of_a_recording_is_what_its_frames_mean(exchange, tmp_path: Path):
    """Against the readings, which the recording's truth does not use."""
    lines = [f"17310000000{line:02d}000000 {text}" for line, text in wire.frames(exchange).items()]
    found = list(recording(written(tmp_path / "r.jsonl", *lines), exchange))
    expected = [
        (row.trade_id, row.first_id, row.last_id, row.price, row.quantity, row.taker_side, row.event_ts)
        for frame in found
        if frame.series.kind in ("trade", "agg_trade")
        for row in rows(exchange, frame.series.kind, "ws", frame.text)
        if row.reason is None
    ]
    assert expected
    assert [
        (
            trade.trade_id,
            trade.first_id,
            trade.last_id,
            Decimal(trade.price),
            Decimal(trade.quantity),
            trade.taker_side,
            None if trade.event_ts is None else EPOCH.fromtimestamp(trade.event_ts / 1e6, EPOCH.tzinfo),
        )
        for frame in found
        for trade in frame.trades
    ] == expected


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (
            "1731000000000000000 " + TRADE_1.replace("btcusdt", "btcusd_perp"),
            "'BTCUSD_PERP': a COIN-M perpetual; its quantities are contracts",
        ),
        ("1731000000000000000 " + TRADE_1.replace("btcusdt", "btcusdt_250328"), "'BTCUSDT_250328': a dated future"),
        ("1731000000000000000 " + SNAPSHOT, "no frame of binance usdm in it"),
        (TRADE_1, "r.jsonl:1: .*is known"),
        ("1731000000000000000 {", "r.jsonl:1: .*not JSON"),
    ],
)
def test_a_recording_that_cannot_be_replayed_is_refused_before_anything_is_sent(tmp_path: Path, line: str, why: str):
    with pytest.raises(ValueError, match=why):
        recorded(written(tmp_path / "r.jsonl", line), USDM, None)


# Recorded market data. The facts beside each file were counted with other tools when it was recorded.


def replayed(path: Path, exchange, route: str, *say: str) -> tuple[list[str], list[dict]]:
    with venues(recorded(path, exchange, None), wait_for=1) as running, client(running.address + route, *say) as connection:
        found = heard(connection)
    return found, running.truth()


@pytest.mark.parametrize(
    ("file", "exchange", "route", "count", "ids", "quantity", "quote"),
    [
        (
            "binance/spot_btcusdt_20240808.trades_only.frames.jsonl.gz",
            SPOT,
            "/binance/spot/stream",
            9757,
            (3735683259, 3735693015),
            "212.03315",
            "13084074.1123886",
        ),
        (
            "binance/spot_btcusdt_20240808.head10000.frames.jsonl.gz",
            SPOT,
            "/binance/spot/stream",
            1791,
            (3735683259, 3735685049),
            "24.24131",
            "1499009.6739026",
        ),
        (
            "pairs/usdm_btcusdt_20240808/trades_only.frames.jsonl.gz",
            USDM,
            "/binance/usdm/market/stream",
            21313,
            (5266583935, 5266605247),
            "2429.366",
            "149845680.8898",
        ),
    ],
)
def test_recorded_trades_arrive_whole(recordings: Path, file, exchange, route, count, ids, quantity, quote):
    found, truth = replayed(recordings / file, exchange, route, subscribe(["btcusdt@trade"]))
    lines = gzip.decompress((recordings / file).read_bytes()).decode().splitlines()
    assert found[1:] == [line.split(" ", 1)[1] for line in lines if '"stream":"btcusdt@trade"' in line]
    assert [line["trade_id"] for line in truth if line["kind"] == "trade"] == list(range(ids[0], ids[1] + 1))
    assert len(truth) == count
    assert all(line["sent"] for line in truth)
    assert sum(Decimal(line["quantity"]) for line in truth) == Decimal(quantity)
    assert sum(Decimal(line["price"]) * Decimal(line["quantity"]) for line in truth) == Decimal(quote)


def test_recorded_coinbase_matches_arrive_with_the_last_match_first(recordings: Path):
    path = recordings / "cryptofeed/COINBASE.ws.head2000.gz"
    products = sorted({frame.series.pair for frame in recording(path, COINBASE)})
    say = json.dumps({"type": "subscribe", "product_ids": products, "channels": ["matches", "heartbeat"]})
    found, truth = replayed(path, COINBASE, "/coinbase/spot", say)
    kinds = [json.loads(text)["type"] for text in found]
    assert kinds[0] == "subscriptions"
    assert (kinds.count("last_match"), kinds.count("match"), len(kinds)) == (10, 15, 26)
    assert len(truth) == 25


def test_recorded_contracts_are_refused_by_name(recordings: Path):
    with pytest.raises(ValueError, match="'BTCUSD_PERP': a COIN-M perpetual; its quantities are contracts"):
        recorded(recordings / "binance/cm_btcusd_perp_20240808.head2000.frames.jsonl.gz", USDM, None)
