"""What the stream logs of a batch."""

from jobs.stream import figures


def test_a_batch_is_a_line_of_the_figures_that_are_not_nought():
    record = {"batch": 0, "query": "a1", "lines": 3, "items": 4, "control": 0, "fresh": 2, "duplicates": 0, "quarantined": 2}
    assert figures(record) == "batch=0 lines=3 items=4 fresh=2 quarantined=2"
    assert figures(record | {"reasons": {"price": 1, "ts": 1}}) == "batch=0 lines=3 items=4 fresh=2 quarantined=2 price=1 ts=1"
