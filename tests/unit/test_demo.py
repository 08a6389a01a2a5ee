"""What the demo prints, and the configuration that it runs with."""

from decimal import Decimal

import pytest
import yaml

from ingest.settings import settings
from setup import bars, stage
from tests.support.project import HOME

LOCAL = (HOME / "conf/local.yaml").read_text()


def test_the_demo_runs_with_the_local_configuration_and_a_lake_of_its_own():
    found = settings(yaml.safe_load(stage.configuration(LOCAL, "demo", 4711)))
    assert (found.lake.path, str(found.ingest.spool.path)) == ("./demo/lake", "demo/spool")
    addresses = [address for markets in found.ingest.endpoints.values() for end in markets.values() for address in end.websocket]
    assert addresses
    assert all(address.startswith("ws://127.0.0.1:4711/") for address in addresses)


def test_a_local_configuration_that_the_demo_cannot_change_is_refused():
    with pytest.raises(stage.StepError, match=r"the demo looks for \./lake there"):
        stage.configuration(LOCAL.replace("lake: ./lake", "lake: elsewhere"), "demo", 4711)


def test_the_market_begins_with_a_full_minute_and_ends_before_the_clock():
    noon = 1_795_262_400  # 2026-11-21T12:00:00Z
    assert stage.minute_before(noon, 1800) == "2026-11-21T11:30:00Z"
    assert stage.minute_before(noon + 59.9, 1800) == "2026-11-21T11:30:00Z"
    assert stage.minute_before(noon - 0.1, 1800) == "2026-11-21T11:29:00Z"


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (["61800.0100000000", "61800.1000000000", "61800.0000000000"], ["61,800.01", "61,800.10", "61,800.00"]),
        (["0.0000123400", "1"], ["0.00001234", "1.00000000"]),
        (["100.0000000000", "1200"], ["100", "1,200"]),
        ([], []),
    ],
)
def test_numbers_have_the_decimals_that_the_longest_of_them_needs(values: list[str], texts: list[str]):
    assert bars.numbers([Decimal(value) for value in values]) == texts


def minute(clock: str, *, missing: int | None, is_complete: bool | None) -> tuple[object, ...]:
    prices = (Decimal("10.50"), Decimal(12), Decimal(9), Decimal("11.25"), Decimal("1234.5"))
    return ("binance", "spot", "agg_trade", "BTC-USDT", clock, *prices, 1200, 48, missing, is_complete)


def test_a_series_is_a_table_that_says_what_is_missing():
    rows = [
        minute("23:58", missing=0, is_complete=False),
        minute("23:59", missing=0, is_complete=True),
        minute("00:00", missing=0, is_complete=False),
        minute("00:01", missing=40, is_complete=False),
        minute("00:02", missing=0, is_complete=False),
    ]
    assert bars.tables(rows).splitlines() == [
        "BTC-USDT  binance spot, agg_trade",
        "  minute   open   high   low  close   volume  trades  buys  missing  complete",
        "  23:58   10.50  12.00  9.00  11.25  1,234.5   1,200  48 %        0  cut: first or last",
        "  23:59   10.50  12.00  9.00  11.25  1,234.5   1,200  48 %        0  yes",
        "  00:00   10.50  12.00  9.00  11.25  1,234.5   1,200  48 %        0  no: next to a hole",
        "  00:01   10.50  12.00  9.00  11.25  1,234.5   1,200  48 %       40  no: 40 missing",
        "  00:02   10.50  12.00  9.00  11.25  1,234.5   1,200  48 %        0  cut: first or last",
    ]


def test_where_ids_are_not_dense_nothing_is_claimed():
    row = ("bitso", "spot", "trade", "BTC-MXN", *minute("10:00", missing=None, is_complete=None)[4:])
    assert bars.tables([row]).splitlines()[-1].endswith("48 %           unknown")
