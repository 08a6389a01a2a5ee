"""Not more than so many requests a second."""

from ingest.rest.pace import Paced
from tests.support.fakes import FakeTime, Stop


def test_each_request_has_a_turn_of_its_own_and_whoever_is_late_waits_for_nobody():
    time, asked = FakeTime(), []
    stop = Stop(time, 100)
    paced = Paced(lambda url, _: asked.append((url, round(time.seconds, 3))), 4.0, time.clock, stop)
    for url in "abc":
        paced(url, {})
    time.advance(10)
    paced("d", {})
    paced("e", {})
    assert asked == [("a", 0.0), ("b", 0.25), ("c", 0.5), ("d", 10.5), ("e", 10.75)]
