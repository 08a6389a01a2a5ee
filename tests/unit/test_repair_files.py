"""Which published files a gap needs, when they can be there, and what they prove."""

from datetime import UTC, date, datetime

import pytest

from ingest.exchanges import find_exchange
from ingest.repair.files import days, proven
from ingest.rest.parts import Part, daily, monthly

DUMP = find_exchange("binance", "spot").dumps.kinds["agg_trade"]


def at(text):
    return datetime.fromisoformat(f"{text}Z")


def day(number, month=11):
    return date(2024, month, number)


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (at("2024-11-07T12:00:00"), at("2024-11-07T13:00:00"), [day(7)]),
        (at("2024-11-07T12:00:00"), at("2024-11-09T13:00:00"), [day(7), day(8), day(9)]),
        (at("2024-11-07T00:00:59"), at("2024-11-08T00:00:00"), [day(7), day(8), day(6)]),
        (at("2024-11-01T00:00:00"), at("2024-11-01T00:00:00"), [day(1), day(31, 10)]),
        (None, at("2024-11-07T13:00:00"), [day(7)]),
        (at("2024-11-07T12:00:00"), None, [day(7)]),
        (None, None, []),
    ],
)
def test_the_days_of_a_gap_and_its_edge_last(before, after, found):
    assert list(days(before, after)) == found


def test_a_file_is_due_when_its_last_day_is_over():
    one = daily(DUMP, "BTC-USDT", day(7))
    folder = "/data/spot/{}/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-"
    assert one == Part(f"{folder.format('daily')}11-07.zip", day(7), day(7))
    assert (one.name, one.due) == ("BTCUSDT-aggTrades-2024-11-07.zip", datetime(2024, 11, 8, tzinfo=UTC))
    for month, last in ((2, 29), (12, 31)):
        whole = monthly(DUMP, "BTC-USDT", day(9, month))
        assert whole == Part(f"{folder.format('monthly')}{month:02}.zip", day(1, month), day(last, month))
    assert whole.due == datetime(2025, 1, 1, tzinfo=UTC)
    assert [whole.has(one) for one in (day(1, 12), day(31, 12), day(30, 11), date(2025, 1, 1))] == [True, True, False, False]


def part(first, last=None):
    return Part(f"/{first}.zip", day(first), day(last or first))


@pytest.mark.parametrize(
    ("read", "spans"),
    [
        ({}, []),
        ({part(7): (10, 20)}, [(10, 20)]),
        ({part(8): (31, 40), part(7): (10, 20)}, [(10, 40)]),
        ({part(7): (10, 20), part(9): (31, 40)}, [(10, 20), (31, 40)]),
        ({part(7): (10, 20), part(8): None, part(9): (31, 40)}, [(10, 40)]),
        ({part(7): None, part(8): (31, 40)}, [(31, 40)]),
        ({part(7): None}, []),
        ({part(1, 30): (5, 90), part(8): (31, 40)}, [(5, 90)]),
    ],
)
def test_files_prove_what_is_in_them_and_between_days_that_adjoin(read, spans):
    assert list(proven(read)) == spans
