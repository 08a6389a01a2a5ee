"""Which files make up a range of days."""

from datetime import date, timedelta

import pytest

from ingest.backfill.wanted import Absent, Wanted, chosen, wanted
from ingest.exchanges import find_exchange
from ingest.rest.parts import Part

SPOT = find_exchange("binance", "spot").dumps
TRADES, MONTHS = SPOT.kinds["agg_trade"], SPOT.candles["1M"]
DAY = timedelta(days=1)


def of_day(text):
    day = date.fromisoformat(text)
    return Part(f"/data/spot/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-{text}.zip", day, day)


def of_month(first, last):
    path = f"/data/spot/monthly/aggTrades/BTCUSDT/BTCUSDT-aggTrades-{first[:7]}.zip"
    return Part(path, date.fromisoformat(first), date.fromisoformat(last))


JANUARY, FEBRUARY = of_month("2024-01-01", "2024-01-31"), of_month("2024-02-01", "2024-02-29")
DAYS = [of_day(str(date(2023, 12, 30) + DAY * number)) for number in range(70)]  # to 2024-03-08
LISTED = {part.path for part in [JANUARY, FEBRUARY, *DAYS]}


def found(first, last, listed=LISTED):
    return wanted(TRADES, "BTC-USDT", date.fromisoformat(first), date.fromisoformat(last), listed)


def test_whole_months_and_the_days_around_them():
    assert found("2023-12-30", "2024-03-02") == Wanted(
        [of_day("2023-12-30"), of_day("2023-12-31"), JANUARY, FEBRUARY, of_day("2024-03-01"), of_day("2024-03-02")], []
    )


def test_a_month_that_is_not_wanted_whole_is_its_days():
    assert found("2024-01-30", "2024-02-28").parts == [of_day(str(date(2024, 1, 30) + DAY * number)) for number in range(30)]


def test_a_month_that_is_not_published_yet_is_its_days():
    parts = found("2024-01-01", "2024-02-29", LISTED - {FEBRUARY.path}).parts
    assert parts == [JANUARY, *(of_day(str(date(2024, 2, 1) + DAY * number)) for number in range(29))]


def test_days_without_a_file_are_told_with_where_they_are():
    gone = {of_day(text).path for text in ("2024-03-02", "2024-03-03", "2024-03-05")}
    assert found("2023-12-28", "2024-03-10", LISTED - gone).absent == [
        Absent(date(2023, 12, 28), date(2023, 12, 29), "before"),
        Absent(date(2024, 3, 2), date(2024, 3, 3), "between"),
        Absent(date(2024, 3, 5), date(2024, 3, 5), "between"),
        Absent(date(2024, 3, 9), date(2024, 3, 10), "after"),
    ]
    assert found("2022-01-01", "2022-01-31") == Wanted([], [Absent(date(2022, 1, 1), date(2022, 1, 31), "all")])


def test_candles_of_a_month_are_only_published_by_the_month():
    path = "/data/spot/monthly/klines/BTCUSDT/1mo/BTCUSDT-1mo-2024-01.zip"
    assert wanted(MONTHS, "BTC-USDT", date(2024, 1, 1), date(2024, 2, 1), {path}) == Wanted(
        [Part(path, date(2024, 1, 1), date(2024, 1, 31))], [Absent(date(2024, 2, 1), date(2024, 2, 1), "after")]
    )


@pytest.mark.parametrize(("width", "spelled"), [("3d", "3d"), ("1w", "1w"), ("1M", "1mo")])
def test_candles_wider_than_a_day_come_with_whole_months_for_they_have_no_files_of_days(width, spelled):
    below = f"/data/spot/monthly/klines/BTCUSDT/{spelled}/BTCUSDT-{spelled}"
    parts = [
        Part(f"{below}-2024-01.zip", date(2024, 1, 1), date(2024, 1, 31)),
        Part(f"{below}-2024-02.zip", date(2024, 2, 1), date(2024, 2, 29)),
    ]
    listed = {part.path for part in parts}
    assert wanted(SPOT.candles[width], "BTC-USDT", date(2024, 1, 15), date(2024, 3, 3), listed) == Wanted(
        parts, [Absent(date(2024, 3, 1), date(2024, 3, 3), "after")]
    )


def test_candles_of_a_day_have_files_of_days():
    below = "/data/spot/{}/klines/BTCUSDT/1d/BTCUSDT-1d-2024-01{}.zip"
    day, month = below.format("daily", "-15"), below.format("monthly", "")
    found = wanted(SPOT.candles["1d"], "BTC-USDT", date(2024, 1, 15), date(2024, 1, 15), {day, month})
    assert found == Wanted([Part(day, date(2024, 1, 15), date(2024, 1, 15))], [])


@pytest.mark.parametrize("year", [2017, 2020, 2025, 2026, 2031])
def test_no_year_is_too_early_or_too_late(year):
    """Of its scripts the venue names a few years; a file that is listed is fetched."""
    month = f"/data/spot/monthly/aggTrades/BTCUSDT/BTCUSDT-aggTrades-{year}-09.zip"
    day = f"/data/spot/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-{year}-10-01.zip"
    assert wanted(TRADES, "BTC-USDT", date(year, 9, 1), date(year, 10, 1), {month, day}) == Wanted(
        [Part(month, date(year, 9, 1), date(year, 9, 30)), Part(day, date(year, 10, 1), date(year, 10, 1))], []
    )


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["*-USDT"], ["BTC-USDT", "OLD-USDT"]),
        (["BTC-*", "NEW-USDT"], ["BTC-EUR", "BTC-USDT", "NEW-USDT"]),
        (["BTC-USDT", "BTC-USDT"], ["BTC-USDT"]),
    ],
)
def test_pairs_are_named_or_fit_a_pattern(patterns, expected):
    assert chosen(patterns, ["BTC-USDT", "BTC-EUR", "OLD-USDT"]) == expected
