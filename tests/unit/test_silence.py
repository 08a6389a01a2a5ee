"""A busy stream is odd after seconds of silence, a quiet one after many minutes; what is unknown is asked about soon."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.settings import Silence
from ingest.silence import LEARNED, Rhythm

SILENCE = Silence(at_least=timedelta(seconds=10), at_most=timedelta(hours=1))


def rhythm(*pauses):
    """A stream that was heard after each of these pauses, from second 0 on."""
    found, at = Rhythm(), 0.0
    found.listen(at)
    for pause in pauses:
        at += pause
        found.beat(at)
    return found, at


@pytest.mark.parametrize(
    ("pauses", "limit"),
    [
        ([0.1] * 100, 10),  # 20 usual pauses are 2 s: never less than at_least
        ([1.0] * 100, 20),
        ([1.0] * 99 + [30.0], 60),  # twice the longest
        ([60.0] * 100, 1200),
        ([600.0] * 100, 3600),  # never more than at_most
    ],
)
def test_what_is_odd_is_learned_from_the_streams_own_pauses(pauses, limit):
    found, at = rhythm(*pauses)
    assert found.limit(SILENCE, can_ask=True) == pytest.approx(limit, rel=0.1)
    assert not found.is_odd(at + limit * 0.9, SILENCE, can_ask=True)
    assert found.is_odd(at + limit * 1.11, SILENCE, can_ask=True)


def test_a_long_pause_is_forgotten_in_time():
    found, _ = rhythm(*[1.0] * 50, 300.0, *[1.0] * 500)
    assert found.limit(SILENCE, can_ask=True) < 30


def test_an_unknown_rhythm_is_asked_about_soon_and_left_alone_where_nobody_can_be_asked():
    found, _ = rhythm(*[1.0] * (LEARNED - 1))
    assert found.limit(SILENCE, can_ask=True) == 10
    assert found.limit(SILENCE, can_ask=False) == 3600


def test_who_asked_in_vain_asks_again_after_twice_as_long_and_a_sound_ends_the_doubt():
    found, at = rhythm(*[1.0] * 100)
    limits = []
    for _ in range(4):
        limits.append(round(found.limit(SILENCE, can_ask=True)))
        found.doubts += 1
    assert limits == [20, 40, 80, 160]
    found.beat(at + 1)
    assert found.limit(SILENCE, can_ask=True) == pytest.approx(20)


def test_what_lies_between_two_connections_teaches_nothing():
    found, at = rhythm(*[1.0] * 100)
    found.listen(at + 5000)
    found.beat(at + 5001)
    assert found.longest == pytest.approx(1.0)


def test_nothing_is_odd_before_anybody_listens():
    assert not Rhythm().is_odd(10.0**9, SILENCE, can_ask=True)


def test_who_does_not_want_to_learn_waits_for_the_most():
    found, _ = rhythm(*[1.0] * 100)
    assert found.limit(Silence(learn=False), can_ask=False) == 3600


@given(st.lists(st.floats(0.001, 10_000), max_size=200), st.booleans(), st.integers(0, 50))
def test_the_limit_stays_between_its_bounds(pauses, can_ask, doubts):
    found, _ = rhythm(*pauses)
    found.doubts = doubts
    assert 10 <= found.limit(SILENCE, can_ask=can_ask) <= 3600
