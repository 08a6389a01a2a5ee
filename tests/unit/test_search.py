"""What is left of a hole, and what was found of it, after any pages."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.continuity import Hole
from ingest.exchanges.exchange import Page
from ingest.rest.search import Search, runs

HOLE = Hole("ids", 10, 40, 9, 41)
pages = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), max_size=10)


def numbers(spans):
    return {number for low, high in spans for number in range(low, high + 1)}


def searched(there, spans):
    search = Search(HOLE)
    for low, high in spans:
        search.take(Page([number for number in there if low <= number <= high], low, high))
    return search


@given(st.sets(st.integers(1, 50)), pages)
def test_a_search_never_claims_more_than_its_pages_prove(there, spans):
    search = searched(there, spans)
    proven = numbers(spans) & set(range(10, 41))
    assert numbers(search.found) == proven & there
    assert numbers(search.left) == set(range(10, 41)) - proven
    assert search.rows == len(proven & there)


@given(st.sets(st.integers(1, 50)), pages)
def test_what_was_found_is_kept_as_few_spans(there, spans):
    search = searched(there, spans)
    assert search.found == list(runs(numbers(search.found)))


@given(st.sets(st.integers(1, 50)), pages)
def test_elsewhere_all_is_looked_for_that_was_not_found(there, spans):
    search = searched(there, spans)
    other = search.elsewhere()
    assert numbers(other.left) == set(range(10, 41)) - numbers(search.found)
    assert (other.hole, other.found) == (HOLE, search.found)
    other.take(Page(list(range(1, 51)), 1, 50))
    assert (other.outcome, other.rows) == ("repaired", 31)


def test_what_is_found_is_not_left_though_nothing_is_proved_of_its_neighbours():
    search = Search(HOLE)
    search.take(Page([12, 14, 50], 0, -1))
    assert (search.left, search.found) == ([(10, 11), (13, 13), (15, 40)], [(12, 12), (14, 14)])


def test_how_a_search_ends():
    half, whole, sparse = Search(HOLE), Search(HOLE), Search(Hole("suspected", 10, 40, 9, 41))
    half.take(Page(range(10, 20), 10, 19))
    assert (half.outcome, half.left) == ("left", [(20, 40)])
    half.take(Page([], 20, 40))
    assert (half.outcome, half.rows) == ("absent", 10)
    whole.take(Page(range(1, 50), 1, 49))
    assert (whole.outcome, whole.rows) == ("repaired", 31)
    sparse.take(Page([12], 10, 50))
    assert (sparse.outcome, sparse.rows) == ("repaired", 1)
