"""What a file of another system is, and what becomes of each of its rows."""

import gzip
import os
import shutil
import zipfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from jobs.adoption import formats
from jobs.adoption.files import found, source
from tests.support.adoption import SAMPLES, lines, read, rejects

USUAL = {"venue": "binance", "market": "spot", "pair": "BTC-USDT"}
TICK = '"trade",1620469566014,"BTCUSDT",817360378,"58746.97000000","0.00017200",5822849391,5822849758,1620469566013,true'
CANDLE = "1704067200000,1,4,0.5,2,10,1704067259999,20,3,1,2,0"


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


def written(folder: Path, text: str, name: str = "x.csv") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def envelope(sample: str, **said):
    return {
        "v": 1,
        "venue": "binance",
        "market": "spot",
        "channel": "trades",
        "kind": "trade",
        "pair": "BTC-USDT",
        "stream": sample,
        "source": "adopted",
        "conn": source(SAMPLES / sample).conn,
    } | said


# --- ticks


def test_a_tick_becomes_the_event_that_it_was():
    told = read(SAMPLES / "trades_quoted.csv")
    first = {"e": "trade", "E": 1620469566014, "s": "BTCUSDT", "t": 817360378, "p": "58746.97000000", "q": "0.00017200"}
    first |= {"b": 5822849391, "a": 5822849758, "T": 1620469566013, "m": True}
    second = first | {"E": 1620469626109, "t": 817360379, "p": "58747.00000000", "q": "1.50000000", "a": 5822849759}
    second |= {"T": 1620469626109, "m": False}
    usual = envelope("trades_quoted.csv")
    assert lines(told) == [
        usual | {"seq": 1, "recv_ns": 1620469566014000000, "raw": first},
        usual | {"seq": 2, "recv_ns": 1620469626109000000, "raw": second},
    ]
    ends = (told.rows, told.first_us, told.last_us, told.first_id, told.last_id)
    assert ends == (2, 1620469566013000, 1620469626109000, 817360378, 817360379)


def test_aggregates_are_of_the_market_that_a_person_says():
    told = read(SAMPLES / "aggregates.csv", market="usdm")
    btc = {"e": "aggTrade", "E": 1620469566020, "s": "BTCUSDT", "a": 700000001, "p": "58746.97000000", "q": "0.50000000"}
    btc |= {"f": 817360379, "l": 817360381, "T": 1620469566019, "m": True}
    eth = btc | {"E": 1620469566120, "s": "ETHUSDT", "a": 400000007, "p": "3500.10000000", "q": "2.00000000", "f": 90000001}
    eth |= {"l": 90000001, "T": 1620469566119, "m": False}
    usual = envelope("aggregates.csv", market="usdm", kind="agg_trade")
    assert lines(told) == [
        usual | {"seq": 1, "recv_ns": 1620469566020000000, "raw": btc},
        usual | {"seq": 2, "recv_ns": 1620469566120000000, "raw": eth, "pair": "ETH-USDT"},
    ]
    assert told.series == {("binance", "usdm", "agg_trade", pair) for pair in ("BTC-USDT", "ETH-USDT")}


BAD_TICKS = {
    "another number of values": (TICK + ",1", "columns"),
    "no event": (TICK.replace('"trade"', '"order"'), "columns"),
    "no id": (TICK.replace("817360378", "x1"), "trade_id"),
    "an id that JSON does not know": (TICK.replace("817360378", "0817360378"), "trade_id"),
    "a price that is none": (TICK.replace("58746.97000000", "1e"), "price"),
    "a price that would break out of its text": (TICK.replace("58746.97000000", '1""'), "price"),
    "a quantity that is none": (TICK.replace("0.00017200", "inf"), "quantity"),
    "seconds": (TICK.replace("1620469566013", "1620469566"), "ts"),
    "no time of the event": (TICK.replace("1620469566014", ""), "ts"),
    "no id of an order": (TICK.replace("5822849391", "-"), "columns"),
    "no first id": (TICK.replace('"trade"', "aggTrade").replace("5822849391", "-1"), "aggregate"),
    "no side": (TICK.replace(",true", ",yes"), "taker_side"),
    "a symbol without a pair": (TICK.replace("BTCUSDT", "BTC???"), "pair"),
}


@pytest.mark.parametrize(("row", "reason"), BAD_TICKS.values(), ids=BAD_TICKS)
def test_a_row_that_is_no_tick_is_told_with_its_line_and_the_others_go_on(tmp_path, row: str, reason: str):
    told = read(written(tmp_path, f"{TICK}\n\n{row}\r\n{TICK}\n"), market="spot")
    assert rejects(told) == [(3, reason)]
    assert [line["seq"] for line in lines(told)] == [1, 4]
    assert told.rejects[0].raw == row


# --- candles


def test_a_candle_becomes_the_answer_that_it_was_and_the_last_one_is_left_out():
    told = read(SAMPLES / "BTCUSDT_1h.csv")
    rows = (SAMPLES / "BTCUSDT_1h.csv").read_text().splitlines()[1:3]
    texts = [row.split(",") for row in rows]
    usual = envelope("BTCUSDT_1h.csv", channel="klines", kind="kline", stream="BTCUSDT_1h.csv?interval=1h")
    # it was there when the last candle had begun
    usual |= {"recv_ns": 1704074400000000000}
    raw = [[[int(row[0]), *row[1:6], int(row[6]), row[7], int(row[8]), *row[9:]]] for row in texts]
    assert lines(told) == [usual | {"seq": n, "raw": one} for n, one in enumerate(raw, 2)]
    assert rejects(told) == [(4, "open")]
    assert told.series == {("binance", "spot", "1h", "BTC-USDT")}


@pytest.mark.parametrize(
    ("text", "asked", "width"),
    [
        (
            f"{CANDLE}\n1704067260000{CANDLE[13:]}\n".replace(
                "60000,1,4,0.5,2,10,1704067259999", "60000,1,4,0.5,2,10,1704067319999"
            ),
            USUAL,
            "1m",
        ),
        (
            "2024-01-01,1,4,0.5,2,10,2024-01-01 23:59:59.999,20,3,1,2,0\n2024-01-02,1,4,0.5,2,10,2024-01-02 23:59:59.999,20,3,1,2,0\n",
            USUAL,
            "1d",
        ),
        (
            "1735689600000000,1,4,0.5,2,10,1738367999999999,20,3,1,2,0\n1738368000000000,1,4,0.5,2,10,1740787199999999,20,3,1,2,0\n",
            USUAL,
            "1M",
        ),
    ],
    ids=["milliseconds, no names", "texts", "microseconds, months of different lengths"],
)
def test_candles_without_names_and_in_any_time(tmp_path, text: str, asked, width: str):
    told = read(written(tmp_path, text), **asked)
    ((line,), (reject,)) = lines(told), rejects(told)
    assert (line["stream"], reject) == (f"x.csv?interval={width}", (2, "open"))
    begins = {"1m": 1704067200000, "1d": 1704067200000000, "1M": 1735689600000000}[width]
    ends = {"1m": 1704067259999, "1d": 1704153599999000, "1M": 1738367999999999}[width]
    assert line["raw"] == [[begins, "1", "4", "0.5", "2", "10", ends, "20", 3, "1", "2", "0"]]


def test_a_thirteenth_value_is_not_the_exchanges(tmp_path):
    told = read(written(tmp_path, f"{CANDLE},[]\n{CANDLE.replace('17040672', '17040673')},[]\n"), **USUAL)
    (line,) = lines(told)
    assert line["raw"] == [[1704067200000, "1", "4", "0.5", "2", "10", 1704067259999, "20", 3, "1", "2", "0"]]


BAD_CANDLES = {
    "a value too few": (CANDLE[:-2], "columns"),
    "two values too many": (CANDLE + ",1,1", "columns"),
    "no time": ("x" + CANDLE, "ts"),
    "seconds": (CANDLE.replace("1704067200000", "1704067200"), "ts"),
    "an end before its begin": (CANDLE.replace("1704067259999", "1704067199999"), "ts"),
    "no number": (CANDLE.replace("0.5", "NaN"), "number"),
    "half a trade": (CANDLE.replace(",3,", ",3.5,"), "number"),
    "another width": (CANDLE.replace("1704067259999", "1704067499999"), "width"),
}


@pytest.mark.parametrize(("row", "reason"), BAD_CANDLES.values(), ids=BAD_CANDLES)
def test_a_row_that_is_no_candle_is_told(tmp_path, row: str, reason: str):
    last = CANDLE.replace("17040672", "17040673").replace("1704067359999", "1704067359999")
    told = read(written(tmp_path, f"{CANDLE}\n{row}\n{last}\n"), **USUAL)
    assert rejects(told) == [(2, reason), (3, "open")]
    assert told.rows == 1


# --- order books


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("2021-11-03/binance/BNBBTC/20211103T100005.json", "2021-11-03T10:00:05"),
        ("2021-11-03/binance/BNBBTC_2021-11-03_10-00.json", "2021-11-03T10:00:00"),
        ("2021-11-03/binance/BNBBTC_1635933605123.json", "2021-11-03T10:00:05.123"),
        ("raw/20211103_1000/Binance/bnbbtc.json", "2021-11-03T10:00:00"),
        ("coinbase/20211103_1000/binance/BNBBTC.json", "2021-11-03T10:00:00"),  # the nearest folder counts
        ("2021-11-03/binance/BNBBTC.json", "2021-11-03T23:59:59"),  # when it was written
    ],
)
def test_a_book_is_kept_as_it_is_and_its_place_tells_whose_it_is_and_when_it_came(tmp_path, place: str, expected: str):
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    shutil.copy(SAMPLES / "binance.json", path)
    written_at = datetime(2021, 11, 3, 23, 59, 59, tzinfo=UTC).timestamp()
    os.utime(path, (written_at, written_at))
    told = read(path)
    recv = datetime.fromisoformat(expected).replace(tzinfo=UTC)
    (line,) = lines(told)
    raw = {"lastUpdateId": 160, "bids": [["0.00240000", "10.00000000"], ["0.00239999", "1.50000000"]]}
    raw |= {"asks": [["0.00260000", "100.00000000"]]}
    assert line == envelope("trades_quoted.csv") | {
        "channel": "books",
        "kind": "book",
        "pair": "BNB-BTC",
        "stream": path.name,
        "conn": source(path).conn,
        "seq": 1,
        "recv_ns": round(recv.timestamp() * 1000) * 1_000_000,
        "raw": raw,
    }


def test_a_book_of_each_order_says_so_and_a_text_of_several_lines_is_kept_too(tmp_path):
    path = tmp_path / "2021-11-03/coinbase/BTC-USD/1635933605.json"
    path.parent.mkdir(parents=True)
    shutil.copy(SAMPLES / "coinbase.json", path)
    (line,) = lines(read(path))
    text = (SAMPLES / "coinbase.json").read_text().strip()
    assert (line["stream"], line["raw_text"], line["pair"]) == ("1635933605.json?level=3", text, "BTC-USD")
    assert line["recv_ns"] == 1635933605_000_000_000


@pytest.mark.parametrize(
    ("body", "stream", "recv_ns", "market"),
    [
        (
            '{"bids":[["9","1",2]],"asks":[["10","1",2]],"sequence":3,"time":"2025-09-04T12:13:49.440575Z"}',
            "?level=1",
            1756988029440575000,
            "spot",
        ),
        (
            '{"bids":[["9","1",2],["8","1",1]],"asks":[],"sequence":3,"time":"2025-09-04T12:13:49.440575Z"}',
            "?level=2",
            1756988029440575000,
            "spot",
        ),
        (
            f'{{"lastUpdateId":1,"E":1777543199000,"T":1777543198999,"bids":{[["9", "1"]] * 5},"asks":[]}}'.replace("'", '"'),
            "?limit=5",
            1777543199000000000,
            "usdm",
        ),
    ],
    ids=["the best prices of coinbase", "coinbase", "binance's futures"],
)
def test_a_book_that_tells_its_own_time_came_then(tmp_path, body: str, stream: str, recv_ns: int, market: str):
    pair = "BTC-USDT" if market == "usdm" else "BTC-USD"
    (line,) = lines(read(written(tmp_path, body, "20200101T000000.json"), pair=pair))
    assert (line["stream"], line["recv_ns"], line["market"]) == (f"20200101T000000.json{stream}", recv_ns, market)


# --- minutes


def test_minutes_have_their_sides_and_their_zone_put_right():
    told = read(SAMPLES / "minutes.csv", **USUAL)
    winter, summer = told.imported
    # on the 12th of March 2023 the clocks of New York went from 5 to 4 hours behind
    assert (winter.at, summer.at) == (at("2023-03-10T13:00:00"), at("2023-03-13T12:00:00"))
    assert dict(winter.values) == {
        "buy_trades": 5,
        "buy_volume": Decimal("0.5"),
        "buy_quote_volume": Decimal("15000.5"),
        "avg_buy_price": Decimal("30001.0"),
        "sell_trades": 3,
        "sell_volume": Decimal("0.30000000000000004"),
        "sell_quote_volume": Decimal("9000.25"),
        "avg_sell_price": Decimal("30000.833333333332"),
    }
    assert (summer.values["sell_trades"], summer.values["avg_sell_price"], summer.values["avg_buy_price"]) == (0, None, 30000)
    assert (winter.venue, winter.market, winter.pair, winter.line) == ("binance", "spot", "BTC-USDT", 2)


def minutes(*labels: str) -> str:
    return "\n".join(
        ["timestamp,total_count_b,total_count_s,total_btc_b,total_btc_s,total_usd_b,total_usd_s,avg_b,avg_s"]
        + [f"{label},1,1,1,1,1,1,1,1" for label in labels]
    )


AUTUMN = "2023-11-05 "


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("00:59", "01:00", "01:30", "01:00", "01:59", "02:00"), ["04:59", "05:00", "05:30", "06:00", "06:59", "07:00"]),
        (("01:00", "01:00", "01:30", "01:30"), ["hour"] * 4),  # in the order of the labels
        (("01:00", "01:30", "01:30", "01:59"), ["hour"] * 4),
        (("01:30", "02:00"), ["hour", "07:00"]),  # of which of the two hours nothing tells
        (("01:59", "01:30", "01:00"), ["hour"] * 3),  # backwards
    ],
    ids=["two runs", "by labels", "one step that is none", "one run", "backwards"],
)
def test_the_hour_that_comes_twice_is_told_apart_by_two_runs_and_else_not_believed(tmp_path, labels, expected):
    told = read(written(tmp_path, minutes("2023-11-04 12:00", *(AUTUMN + label for label in labels))), **USUAL)
    found = {row.line: f"{datetime.fromtimestamp(row.at / 1e6, UTC):%H:%M}" for row in told.imported} | dict(rejects(told))
    assert [found[line] for line in range(3, 3 + len(labels))] == expected


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2023-03-12 02:30:00,1,1,1,1,1,1,1,1", "ts"),  # an hour that there was not
        ("2023-03-10 08:00:30,1,1,1,1,1,1,1,1", "ts"),
        ("10.03.2023 08:00,1,1,1,1,1,1,1,1", "ts"),
        ("2023-03-10 08:00,1,1,1,1,1,1,1", "columns"),
        ("2023-03-10 08:00,1.5,1,1,1,1,1,1,1", "number"),
        ("2023-03-10 08:00,1,1,-1,1,1,1,1,1", "number"),
        ("2023-03-10 08:00,1,1,1,1e-19,1,1,1,1", "number"),
        ("2023-03-10 08:00,1,1,1,1,1e20,1,1,1", "number"),
        ("2023-03-10 08:00,1,1,1,1,1,1,1e10,1", "number"),
        ("2023-03-10 08:00,1,1,1,1,1,1,x,1", "number"),
    ],
)
def test_a_row_that_is_no_minute_is_told(tmp_path, row: str, reason: str):
    told = read(written(tmp_path, f"{minutes('2023-03-10 07:00')}\n{row}\n"), **USUAL)
    assert (rejects(told), told.rows) == ([(3, reason)], 1)


def test_a_zone_that_a_person_says_and_one_that_a_row_says(tmp_path):
    told = read(written(tmp_path, minutes("2023-07-10T08:00", "2023-07-10T08:00:00+02:00")), zone="UTC", **USUAL)
    assert [row.at for row in told.imported] == [at("2023-07-10T08:00:00"), at("2023-07-10T06:00:00")]


# --- spreads


def test_spreads_are_computed_anew_of_the_exact_prices():
    told = read(SAMPLES / "spreads.csv")
    expected = [
        ("BTC-MXN", 1712856159, {"bid": Decimal(1155350), "ask": Decimal(1157300), "spread_pct": Decimal("0.168496")}, 2),
        ("ETH-MXN", 1712856161, {"bid": Decimal("57000.5"), "ask": Decimal("57100.25"), "spread_pct": Decimal("0.174693")}, 3),
    ]
    assert [(row.pair, row.at // 1_000_000, dict(row.values), row.line) for row in told.imported] == expected
    assert told.series == {("bitso", "spot", "imported", pair) for pair in ("BTC-MXN", "ETH-MXN")}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1712856159,btc_mxn,1155350,1157300", "columns"),
        ("1712856159000,btc_mxn,1155350,1157300,0.168", "ts"),
        ("1712856159,BTC-MXN,1155350,1157300,0.16849563639505746", "pair"),
        ("1712856159,btc_mxn,0,1157300,100", "price"),
        ("1712856159,btc_mxn,1155350,1e30,0.16849563639505746", "price"),
        ("1712856159,btc_mxn,1155350,1157300,0.1685", "spread"),
        ("1712856159,btc_mxn,1155350,1157300,", "spread"),
    ],
)
def test_a_row_that_is_no_spread_is_told(tmp_path, row: str, reason: str):
    text = (SAMPLES / "spreads.csv").read_text()
    told = read(written(tmp_path, f"{text}{row}\n"))
    assert (rejects(told), told.rows) == ([(4, reason)], 2)


# --- which it is


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ("trades_quoted.csv", formats.TICKS),
        ("aggregates.csv", formats.TICKS),
        ("BTCUSDT_1h.csv", formats.CANDLES),
        ("minutes.csv", formats.MINUTES),
        ("spreads.csv", formats.SPREADS),
        ("binance.json", formats.BOOK),
    ],
)
@pytest.mark.parametrize("how", ["plain", "gzip", "zip"])
def test_a_file_is_recognised_by_what_is_in_it_however_it_is_packed(tmp_path, sample: str, expected, how: str):
    data, path = (SAMPLES / sample).read_bytes(), tmp_path / sample
    if how == "plain":
        path.write_bytes(b"\xef\xbb\xbf" + data)
    elif how == "gzip":
        path = tmp_path / f"{sample}.gz"
        path.write_bytes(gzip.compress(data))
    elif sample.endswith(".json"):
        return
    else:
        path = tmp_path / "x.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(sample, data)
    assert formats.of(source(path)) is expected


TEXT = "timestamp,pair,bid,ask\n"
PESOS = "timestamp,pair,bid,ask,spread\n1712856159,btc_mxn,1155350,1157300,0.16849563639505746\n"
BOOK = '{"bids":[],"asks":[],"lastUpdateId":1}'
REFUSED = {
    "nothing": ("x.csv", "", {}, "x.csv: nothing is in it; rows of ticks"),
    "something else": (
        "x.csv",
        TEXT,
        {},
        "x.csv: begins with 'timestamp,pair,bid,ask'; rows of ticks (trade,… or aggTrade,…), candles",
    ),
    "names alone": ("x.csv", minutes(), USUAL, "x.csv: no row of it is believed"),
    "no row of it": (
        "x.csv",
        f"{TICK.replace('BTCUSDT', '?')}\n",
        {},
        'x.csv: no row of it is believed, such as line 1 (pair): \'"trade"',
    ),
    "made candles": ("x.csv", "open_time,open,price_diff\n", {}, "x.csv: its candles were put together of others, in floats"),
    "aggregates of no market": (
        "x.csv",
        TICK.replace('"trade"', "aggTrade"),
        {},
        "x.csv: its aggregates do not tell of which market",
    ),
    "aggregates of another one": (
        "x.csv",
        TICK.replace('"trade"', "aggTrade"),
        {"market": "coinm"},
        "x.csv: --market is coinm; spot or usdm",
    ),
    "trades of another market": ("x.csv", TICK, {"market": "usdm"}, "x.csv: its trades have the ids of both orders"),
    "ticks of another venue": ("x.csv", TICK, {"venue": "bitso"}, "x.csv: has events of Binance, and --venue says bitso"),
    "ticks of another pair": ("x.csv", TICK, {"pair": "ETH-USDT"}, "x.csv: has ticks of BTC-USDT, and --pair says ETH-USDT"),
    "candles of no market": ("BTCUSDT.csv", CANDLE, {}, "BTCUSDT.csv: its candles do not tell of which market they are"),
    "candles of another market": ("BTCUSDT.csv", CANDLE, {"market": "coinm"}, "BTCUSDT.csv: --market is coinm; spot or usdm"),
    "candles of contracts": (
        "BTCUSD_PERP-1m-2024-01.csv",
        CANDLE,
        {"market": "usdm"},
        "BTCUSD_PERP-1m-2024-01.csv: its candles do not tell of which pair they are",
    ),
    "candles of no pair": (
        "x.csv",
        CANDLE,
        {"market": "spot"},
        "x.csv: its candles do not tell of which pair they are; --pair does",
    ),
    "minutes of nothing": (
        "x.csv",
        minutes("2023-03-10 08:00"),
        {},
        "x.csv: its minutes do not tell of what they are; --venue binance",
    ),
    "minutes of a venue that is none": (
        "x.csv",
        minutes("2023-03-10 08:00"),
        USUAL | {"venue": "mtgox"},
        "x.csv: exchange mtgox spot: not known",
    ),
    "a zone that is none": (
        "x.csv",
        minutes("2023-03-10 08:00"),
        USUAL | {"zone": "US/Nowhere"},
        "--zone US/Nowhere: no zone that this machine",
    ),
    "spreads of another pair": ("x.csv", PESOS, {"pair": "ETH-MXN"}, "x.csv: has spreads of BTC-MXN, and --pair says"),
    "a long line": ("x.csv", "1" * 10_001, {}, "x.csv: line 1 has more than 10000 bytes"),
    "another sort": ("x.txt", TICK, {}, "x.txt: one of .csv, .csv.gz, .zip, .json, .json.gz would be right"),
    "no JSON": ("x.json", "{", {}, "x.json: not JSON: "),
    "no book": ("x.json", '{"code":-1121,"msg":"Invalid symbol."}', {}, "x.json: no order book: `bids` and `asks`"),
    "a book of nobody": ("x.json", '{"bids":[],"asks":[]}', {}, "x.json: an order book of none that we know"),
    "a book of another venue": (
        "x.json",
        '{"bids":[],"asks":[],"sequence":1}',
        {"venue": "binance"},
        "x.json: is a book of coinbase spot, and the options say binance spot",
    ),
    "a book in another's folder": (
        "coinbase/x.json",
        BOOK,
        {},
        "x.json: is a book of binance, and lies in the folder of coinbase",
    ),
    "a book of no pair": (
        "20211103T1000.json",
        '{"bids":[],"asks":[],"sequence":1}',
        {},
        "20211103T1000.json: nothing tells of which pair it is",
    ),
    "a book of no time": ("binance/BTCUSDT.json", BOOK, {}, "BTCUSDT.json: nothing tells when it was received"),
    "a book of another time": ("2021-11-03/binance/BTCUSDT.json", BOOK, {}, "BTCUSDT.json: nothing tells when it was received"),
    "a book of another pair": (
        "binance/BTCUSDT/1635933605.json",
        BOOK,
        {"pair": "ETH-USDT"},
        "1635933605.json: lies in the folder of BTC-USDT, and --pair says",
    ),
    "a gzip that is none": ("x.csv.gz", TICK, {}, "x.csv.gz: no gzip that can be read"),
    "a zip that is none": ("x.zip", TICK, {}, "x.zip: no zip that can be read"),
}


@pytest.mark.parametrize(("name", "text", "asked", "says"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_is_refused_is_named_and_says_what_would_be_right(tmp_path, name: str, text: str, asked, says: str):
    told = read(written(tmp_path, text, name), **asked)
    assert told.refused.startswith(says), told.refused
    assert (told.groups, told.imported, told.rejects, told.rows) == ({}, [], [], 0)


def test_a_gzip_that_is_cut_gives_nothing(tmp_path):
    path = tmp_path / "x.csv.gz"
    rows = "".join(TICK.replace("817360378", f"81736{n}") + "\n" for n in range(1000, 6000))
    path.write_bytes(gzip.compress(rows.encode())[:-200])
    told = read(path)
    assert told.refused.startswith("x.csv.gz: no gzip that can be read: ")
    assert told.groups == {}


def test_what_is_packed_to_burst_is_refused(tmp_path):
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress((TICK + "\n").encode() * 200_000))
    assert read(path).refused == "x.csv.gz: becomes more than 100 times as many bytes; as many at most would be right"


def test_too_many_rows_that_are_none_are_a_file_that_is_none(tmp_path):
    text = f"{TICK}\n" + "x\n" * 10_001
    assert read(written(tmp_path, text)).refused == "x.csv: more than 10000 rows are none, such as line 10002 (columns): 'x'"


def test_folders_are_looked_through_and_only_what_can_be_a_file_is_one(tmp_path):
    for name in ("b/x.csv", "a/y.json", "a/z.txt", "a/.hidden/x.csv", "a/.x.csv", "c.zip", "b/x.csv.gz"):
        written(tmp_path, "", name)
    named = tmp_path / "a/z.txt"
    assert list(found([named, tmp_path])) == [
        named,
        *(tmp_path / name for name in ("a/y.json", "b/x.csv", "b/x.csv.gz", "c.zip")),
    ]


def test_files_of_real_systems_are_read_whole(recordings: Path):
    ticks = read(recordings / "systems/tick_collector_BTCUSDT_2021-05-08_10-26-05.csv")
    assert (ticks.rows, ticks.rejects, ticks.first_id, ticks.last_id) == (138, [], 817360378, 817360515)
    assert sum(Decimal(line["raw"]["q"]) for line in lines(ticks)) == Decimal("0.542777")
    for name in ("btc_mxnorder_book1712856180.csv", "btc_mxnorder_book1712856201.csv"):
        spreads = read(recordings / "systems" / name)
        assert (spreads.rows, spreads.rejects) == (15, [])
    candles = read(recordings / "klines/s4_BTCUSDT_1h.head2500.csv.gz", pair="BTC-USDT")
    assert (candles.rows, rejects(candles)) == (2499, [(2501, "open")])
    volume = sum(Decimal(line["raw"][0][5]) for line in lines(candles))
    assert volume + Decimal(candles.rejects[0].raw.split(",")[5]) == Decimal("4891401.064782")
    assert "put together of others" in read(recordings / "systems/s4_btcusdt_daily_resampled.head30.csv").refused
