"""What the keys of the inbox say, and which files make a month."""

from datetime import date

import pytest

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
