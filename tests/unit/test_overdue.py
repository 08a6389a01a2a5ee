"""Open minutes whose feed has fallen silent get their row by the driver's clock: an idle source runs no batch."""

from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

import pytest

from jobs.queries.trades import Trades
from jobs.transforms.feeds import Feed, Known

BUSY = Feed("binance", "spot", "agg_trade", "BTC-USDT")
QUIET = Feed("binance", "spot", "agg_trade", "ETH-USDT")
NOTHING: Any = None  # tables and progress have no part in this


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def query(clock: Clock) -> Trades:
    return Trades(
        NOTHING, NOTHING, NOTHING, clock, {BUSY: Known(top=7, newest=100.0), QUIET: Known(top=7, newest=40.0)}, settled=True
    )


def test_a_minute_is_overdue_so_long_after_its_newest_trade_was_committed(query, clock):
    clock.now = 639.9
    assert query.overdue(600) == frozenset()
    clock.now = 640.0
    assert query.overdue(600) == {QUIET}
    clock.now = 700.0
    assert query.overdue(600) == {QUIET, BUSY}


def test_a_minute_that_has_its_row_is_not_written_again(query, clock):
    clock.now = 700.0
    query.state[QUIET].shown = True
    assert query.overdue(600) == {BUSY}


def test_a_feed_of_voids_has_no_minute(query, clock):
    clock.now = 700.0
    query.state[QUIET].top = None
    assert query.overdue(600) == {BUSY}


def test_what_a_broken_batch_left_is_not_acted_upon(query, clock):
    clock.now = 700.0
    query.settled = False
    assert query.overdue(600) == frozenset()


def test_while_a_batch_is_under_way_nobody_waits_for_it(query, clock):
    clock.now = 700.0
    begun, end = Event(), Event()

    def batch() -> None:
        with query.lock:
            begun.set()
            end.wait(10)

    thread = Thread(target=batch)
    thread.start()
    try:
        assert begun.wait(10)
        assert query.overdue(600) == frozenset()
    finally:
        end.set()
        thread.join()
    assert query.overdue(600) == {QUIET, BUSY}
