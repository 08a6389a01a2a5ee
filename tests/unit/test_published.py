"""The conditions that name published months: exact in DuckDB, for any months and any rows, and short."""

import random

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.transforms.published import Month, is_live, is_published

MOST = 100_000  # bytes of a view, in which both stand
months = st.builds(
    Month,
    st.sampled_from(["binance", "bitso"]),
    st.sampled_from(["spot", "usdm"]),
    st.sampled_from(["trade", "agg_trade", "trade.2"]),
    st.sampled_from(["BTC-USDT", "ETH-USDT", "1000SATS-USDT"]),
    st.integers(2022, 2024),
    st.integers(1, 12),
)
some = st.sets(months, min_size=1, max_size=40)
KEY = "venue, market, feed, pair, year, month"


DATABASE = duckdb.connect()


def chosen(condition: str, rows: list[Month]) -> list[Month]:
    """In DuckDB."""
    texts = [", ".join("NULL" if value is None else repr(value) for value in row) for row in rows]
    values = ", ".join(f"({text})" for text in texts)
    found = DATABASE.execute(f"SELECT {KEY} FROM (VALUES {values}) t({KEY}) WHERE {condition}").fetchall()  # noqa: S608 - ours
    return [Month(*row) for row in found]


@given(some, some)
def test_a_row_is_of_history_exactly_where_its_month_is_published(published: set[Month], others: set[Month]):
    rows = sorted(published | others)
    assert sorted(chosen(is_published(published), rows)) == sorted(published)
    assert sorted(chosen(is_live(published), rows)) == sorted(others - published)


def test_a_row_that_lacks_a_value_is_live():
    there = Month("binance", "spot", "trade", "BTC-USDT", 2024, 1)
    rows = [Month(*(None if name == lacking else value for name, value in there._asdict().items())) for lacking in there._fields]
    assert chosen(is_published([there]), rows) == []
    assert chosen(is_live([there]), rows) == rows
    assert (is_published([]), is_live([])) == ("FALSE", "TRUE")


def test_the_text():
    told = [
        Month("binance", "spot", "1m", pair, 2023 + n // 12, n % 12 + 1) for pair in ("BTC-USDT", "ETH-USDT") for n in range(14)
    ]
    told += [Month("binance", "spot", "1m", "SOL-USDT", 2023, number) for number in range(2, 13) if number != 4]
    told += [Month("binance", "spot", "1m", "XRP-USDT", 2023, number) for number in (3, 7)]
    told += [one._replace(feed="1h") for one in told]
    assert is_live(told, "width") == (
        "NOT coalesce((venue = 'binance' AND market = 'spot' AND width IN ('1h', '1m') "
        "AND year * 100 + month BETWEEN 202301 AND 202402 "
        "AND (pair || ' ' || CAST(year AS VARCHAR(4)) IN "
        "('BTC-USDT 2023', 'BTC-USDT 2024', 'ETH-USDT 2023', 'ETH-USDT 2024', 'SOL-USDT 2023') "
        "AND pair || ' ' || CAST(year * 100 + month AS VARCHAR(6)) NOT IN ('SOL-USDT 202301', 'SOL-USDT 202304') "
        "OR pair || ' ' || CAST(year * 100 + month AS VARCHAR(6)) IN ('XRP-USDT 202303', 'XRP-USDT 202307'))), FALSE)"
    )


@pytest.mark.parametrize(("name", "value"), [("pair", "BTC'USDT"), ("venue", "a\\"), ("feed", ""), ("market", 'spot"')])
def test_a_value_that_an_engine_may_read_otherwise_is_refused(name: str, value: str):
    month = Month("binance", "spot", "trade", "BTC-USDT", 2024, 1)._replace(**{name: value})
    with pytest.raises(ValueError, match=f"published: {name} is "):
        is_published([month])


def test_two_hundred_pairs_of_sixty_months_with_a_start_and_three_holes_each_are_short():
    chance = random.Random(7)  # noqa: S311 - no secret
    told = list[Month]()
    for number in range(200):
        there = set(range(chance.randrange(60), 60)) - set(chance.sample(range(60), 3))
        told += [Month("binance", "spot", "agg_trade", f"COIN{number:03}-USDT", 2020 + n // 12, n % 12 + 1) for n in there]
    assert len(is_published(told)) + len(is_live(told)) < MOST
