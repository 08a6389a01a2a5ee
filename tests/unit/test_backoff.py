"""How long to wait before trying again."""

from itertools import islice

from ingest.backoff import delays


def test_delays_double_to_the_cap_and_are_jittered_by_the_randomness_given():
    assert list(islice(delays(lambda: 1.0, first=0.5, cap=10), 7)) == [0.5, 1, 2, 4, 8, 10, 10]
    assert list(islice(delays(lambda: 0.0, first=0.5, cap=10), 7)) == [0.25, 0.5, 1, 2, 4, 5, 5]


def test_delays_never_end():
    assert next(islice(delays(lambda: 1.0, cap=60), 5000, None)) == 60
