"""Times as people and names have them."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ingest.clock import SYSTEM, day, iso


@given(st.integers(0, 4_000_000_000_000_000_000))
def test_a_day_and_a_time_are_utc_whatever_the_clock_on_the_wall(ns):
    assert datetime.fromisoformat(iso(ns)) == datetime.fromtimestamp(ns // 10**9, UTC).replace(microsecond=ns % 10**9 // 1000)
    assert iso(ns).startswith(day(ns))


def test_midnight_belongs_to_the_new_day():
    assert day(1_731_023_999_999_999_999) == "2024-11-07"
    assert day(1_731_024_000_000_000_000) == "2024-11-08"


def test_the_systems_clock_goes_forward():
    assert SYSTEM.monotonic() <= SYSTEM.monotonic()
    assert SYSTEM.wall_ns() > 1_700_000_000_000_000_000
