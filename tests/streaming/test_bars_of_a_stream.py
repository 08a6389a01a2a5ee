"""The stream's own tables under the bars: also where a driver died, and a reader sees some minutes corrected and some not."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

from tests.support import bars as plainly
from tests.support.bars import length
from tests.support.crash import Died, Steps
from tests.support.lines import Collector
from tests.support.minutes import Chart
from tests.support.stories import Story, second
from tests.support.stream import take
from tests.support.tables import rows_of

WIDTHS = ("1m", "2m", "1h")


def bars_of(story: Story) -> Sequence[Mapping[str, Any]]:
    """Made now, and compared with what the minutes say that there are."""
    there = Chart(story.spark, story.lake)
    there.minutes.take(rows_of(there.minutes.live.read()))
    there.run(widths=WIDTHS)
    there.check(WIDTHS)
    return rows_of(there.bars)


def assert_nothing_is_lost(bars: Iterable[Mapping[str, Any]], trades: Sequence[Mapping[str, Any]]) -> int:
    """Of complete bars, held to all trades that the market will have had; how many there are."""
    complete = [bar for bar in bars if bar["is_complete"]]
    for bar in complete:
        first, end = bar["start"], bar["start"] + length(bar["width"])
        series = [bar[name] for name in plainly.SERIES]
        true = [trade for trade in trades if [trade[name] for name in plainly.SERIES] == series and first <= trade["ts"] < end]
        assert bar["ticks"] == len(true), f"{len(true) - bar['ticks']} trades are lost: {bar}"
    return len(complete)


@pytest.mark.long
def test_bars_of_a_stream_that_died_between_its_commits(story: Story):
    """The former latest minute, 10:02, has no row then, and those after it are there: the bar of both must not be called complete."""
    on = Collector("on-1-1")
    objects = [*second(story), story.put(on.aggregate(10, "10:05:00"), on.aggregate(11, "10:06:00"))]
    story.tell(*objects)
    bars_of(story)
    with story.driver() as query:
        query.start()
        Steps(query, at="after minutes append")
        with pytest.raises(Died):
            take(query, objects)
    assert_nothing_is_lost(bars_of(story), story.oracle.trades)
    with story.driver() as query:
        query.start()
        take(query, objects)
        query.close()
    after = bars_of(story)
    assert_nothing_is_lost(after, story.oracle.trades)
    of_bitcoin = [bar for bar in after if (bar["pair"], bar["width"], bar["start"].hour) == ("BTC-USDT", "2m", 10)]
    # ids 1 to 4 and 6 to 11; 5 is a void, and lies between two minutes
    assert [bar["is_complete"] for bar in sorted(of_bitcoin, key=lambda bar: bar["start"])] == [False, False, True, False]
