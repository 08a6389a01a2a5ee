"""What the keys of the inbox say, and which files make a month."""

import re
from datetime import UTC, date, datetime

import pytest

from ingest.settings import Epoch
from jobs.history.files import File, Files, Inbox, Month, OddKeyError, file_of, inbox

JANUARY = Month("trades", "binance", "usdm", "agg_trade", "BTC-USDT", 2024, 1)
BELOW = "inbox/binance/usdm"
MONTHLY = f"{BELOW}/monthly/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-01.zip"
WHOLE = File(MONTHLY, JANUARY, "monthly", date(2024, 1, 1), date(2024, 1, 31))


def of_day(number, month=1):
    key = f"{BELOW}/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-{month:02}-{number:02}.zip"
    day = date(2024, month, number)
    return File(key, Month("trades", "binance", "usdm", "agg_trade", "BTC-USDT", 2024, month), "daily", day, day)


def keys(*files):
    return [key for file in files for key in (file.key, f"{file.key}.CHECKSUM")]


def test_a_key_says_which_days_of_which_feed():
    assert file_of(MONTHLY) == WHOLE
    assert file_of(of_day(7).key) == of_day(7)
    assert JANUARY.key == "history/trades/pair=BTC-USDT/year=2024/month=1/binance-usdm-agg_trade.parquet"
    spot = file_of("inbox/binance/spot/monthly/klines/ETHBTC/ETHBTC-1mo-2024-12.zip")
    assert spot.month == Month("klines", "binance", "spot", "1M", "ETH-BTC", 2024, 12)
    assert (spot.first, spot.last) == (date(2024, 12, 1), date(2024, 12, 31))


def test_the_file_of_the_month_is_taken_and_the_days_are_beside_it():
    other, late = of_day(1, 2), of_day(2, 2)
    found = inbox([*keys(late, of_day(2), WHOLE, of_day(1), other), of_day(3).key, f"{of_day(4).key}.CHECKSUM"])
    assert found == Inbox(
        {
            JANUARY: Files(JANUARY, [WHOLE], [of_day(1), of_day(2)]),
            other.month: Files(other.month, [other, late]),
        },
        {},
    )


ODD = [
    ("inbox/binance/usdm/weekly/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-01.zip", "inbox/<venue>/<market>/<monthly|daily>/"),
    ("inbox/binance/usdm/daily/aggTrades/BTCUSDT/../BTCUSDT-aggTrades-2024-01-01.zip", "inbox/<venue>/<market>/"),
    (
        "inbox/binance/coinm/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-01-01.zip",
        "binance coinm publishes no files that we know",
    ),
    (
        "inbox/binance/usdm/daily/klines/BTCUSD_PERP/BTCUSD_PERP-1m-2024-01-01.zip",
        "'BTCUSD_PERP': a COIN-M perpetual; its quantities are contracts",
    ),
    ("inbox/bitso/spot/daily/trades/BTCMXN/BTCMXN-trades-2024-01-01.zip", "bitso spot publishes no files that we know"),
    ("inbox/binance/spot/daily/bookDepth/BTCUSDT/BTCUSDT-bookDepth-2024-01-01.zip", "binance spot publishes no bookDepth"),
    ("inbox/binance/spot/daily/klines/BTCUSDT/BTCUSDT-7m-2024-01-01.zip", "no candles are as wide as 7m"),
    ("inbox/binance/spot/daily/aggTrades/BTCXYZ/BTCXYZ-aggTrades-2024-01-01.zip", "ends with no known quote asset"),
    ("inbox/binance/spot/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-02-30.zip", "day"),
    ("inbox/binance/spot/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-02.zip", "ISO|isoformat"),
    ("inbox/binance/spot/monthly/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-02-01.zip", "ISO|isoformat"),
    (
        "inbox/binance/spot/daily/aggTrades/BTCUSDT/ETHUSDT-aggTrades-2024-02-01.zip",
        "BTCUSDT-aggTrades-2024-02-01.zip would be right",
    ),
    (
        "inbox/binance/spot/daily/aggTrades/BTCUSDT/BTCUSDT-trades-2024-02-01.zip",
        "BTCUSDT-aggTrades-2024-02-01.zip would be right",
    ),
]


@pytest.mark.parametrize(("key", "message"), ODD)
def test_a_key_that_says_something_else_is_told_and_the_others_count(key, message):
    with pytest.raises(OddKeyError, match=message):
        file_of(key)
    found = inbox([*keys(WHOLE), key, f"{key}.CHECKSUM"])
    assert (list(found.months), list(found.odd)) == ([JANUARY], [key])
    assert key in found.odd[key]


LINES = "inbox/coinbase/spot/lines/trade/BTC-USD/2024-01-30_2024-03-02_0123456789ab.jsonl.gz"


def month_of(number, feed="trade"):
    return Month("trades", "coinbase", "spot", feed, "BTC-USD", 2024, number)


def test_a_file_of_lines_is_part_of_each_month_that_it_has_days_of():
    days = {1: (30, 31), 2: (1, 29), 3: (1, 2)}
    expected = {}
    for number, (first, last) in days.items():
        file = File(LINES, month_of(number), "lines", date(2024, number, first), date(2024, number, last))
        expected[month_of(number)] = Files(month_of(number), [file])
    assert inbox([LINES, f"{LINES}.CHECKSUM"]) == Inbox(expected, {})


def test_what_the_venue_publishes_goes_before_lines():
    lines = "inbox/binance/usdm/lines/agg_trade/BTC-USDT/2024-01-30_2024-01-30_0123456789ab.jsonl.gz"
    assert inbox([*keys(of_day(1)), lines, f"{lines}.CHECKSUM"]).months == {JANUARY: Files(JANUARY, [of_day(1)])}


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (LINES.replace("_0123456789ab", ""), "inbox/<venue>/<market>/lines/<kind>/<PAIR>/"),
        (LINES.replace("trade/", "book/"), "coinbase spot has no trades called book that we know"),
        (LINES.replace("coinbase", "kraken"), "kraken spot has no trades called trade that we know"),
        (LINES.replace("2024-01-30", "2024-02-30"), "day"),
        (LINES.replace("2024-01-30", "2024-04-30"), "ends on 2024-03-02, before it begins"),
    ],
)
def test_a_key_of_lines_that_says_nothing_is_told_by_its_name(key, why):
    found = inbox([key, f"{key}.CHECKSUM"])
    assert list(found.odd) == [key]
    assert re.search(why, found.odd[key])
    assert not found.months


def test_after_an_id_reset_it_is_another_feed_and_the_month_of_the_reset_is_refused():
    epochs = [
        Epoch("coinbase", "spot", "trade", "BTC-USD", n, datetime(2024, number, day, tzinfo=UTC))
        for n, number, day in ((2, 2, 10), (3, 3, 1))
    ]
    days = ("2024-01-30_2024-01-31", "2024-02-01_2024-02-02", "2024-03-01_2024-03-02")
    keys_ = [LINES.replace("2024-01-30_2024-03-02", told) for told in days]
    found = inbox([name for key in keys_ for name in (key, f"{key}.CHECKSUM")], epochs)
    assert list(found.months) == [month_of(1), month_of(3, "trade.3")]
    assert list(found.odd) == [keys_[1]]
    assert "the ids of BTC-USD began anew at 2024-02-10 00:00" in found.odd[keys_[1]]
    assert inbox([name for key in keys_[1:] for name in (key, f"{key}.CHECKSUM")], epochs[:1]).months[month_of(3, "trade.2")]
