"""The list of open gaps: read as values, what is none refused by its place."""

import json
from datetime import UTC, datetime

import pytest

from ingest.repair.opengaps import OpenGap, published

GAP = {
    "venue": "binance",
    "market": "spot",
    "feed": "trade.2",
    "pair": "BTC-USDT",
    "before_id": 10,
    "after_id": 15,
    "first_missing_id": 11,
    "last_missing_id": 14,
    "missing": 4,
    "before_ts": "2024-11-07T17:20:00.123456Z",
    "after_ts": "2024-11-07T18:20:01+01:00",
}


def read(*gaps, **others):
    return published(json.dumps({"v": 1, "as_of": "2024-11-08T00:00:00Z", "gaps": gaps, **others}).encode())


def test_a_gap_with_everything_that_is_known_of_it():
    found = read({**GAP, "state": "implausible"})
    assert (found.as_of, found.refused) == ("2024-11-08T00:00:00Z", [])
    assert found.gaps == [
        OpenGap(
            venue="binance",
            market="spot",
            feed="trade.2",
            pair="BTC-USDT",
            before_id=10,
            after_id=15,
            first_missing_id=11,
            last_missing_id=14,
            missing=4,
            before_ts=datetime(2024, 11, 7, 17, 20, 0, 123456, UTC),
            after_ts=datetime(2024, 11, 7, 17, 20, 1, tzinfo=UTC),
            state="implausible",
        )
    ]
    assert (found.gaps[0].kind, found.gaps[0].epoch) == ("trade", 2)
    assert found.gaps[0].label == "binance/spot/trade.2/BTC-USDT after 10"


def test_ids_that_are_not_dense_are_not_told():
    odd = {**GAP, "feed": "trade", "first_missing_id": None, "last_missing_id": None, "missing": None, "before_ts": None}
    (found,) = read(odd).gaps
    assert (found.first_missing_id, found.missing, found.before_ts, found.state) == (None, None, None, "open")
    assert (found.kind, found.epoch) == ("trade", 1)


def test_a_gap_that_is_listed_twice_is_one():
    assert read(GAP, GAP) == read(GAP)


def test_what_a_newer_lake_says_of_a_gap_is_no_reason_to_leave_it_open():
    assert read({**GAP, "detected_by": "minutes"}, more=1) == read(GAP)


def test_an_entry_that_is_no_gap_is_refused_by_its_place_and_the_others_are_read():
    found = read({**GAP, "before_id": "x"}, GAP, 7, {"venue": "binance"}, {**GAP, "before_ts": "yesterday"})
    assert len(found.gaps) == 1
    assert list(found.refused) == [
        "control/open-gaps.json: gaps[0].before_id is 'x': a whole number",
        (
            "control/open-gaps.json: gaps[2] is 7: keys: venue, market, feed, pair, before_id, after_id, first_missing_id, "
            "last_missing_id, missing, before_ts, after_ts, state"
        ),
        "control/open-gaps.json: gaps[3].market: this key is required",
        "control/open-gaps.json: gaps[4].before_ts is 'yesterday': a time with its zone, such as 2026-05-01T00:00:00Z",
    ]


@pytest.mark.parametrize("text", [b"", b"[]", b'{"v":2,"gaps":[]}', b'{"v":1}', b'{"v":1,"gaps":{}}', b"\xff"])
def test_what_is_no_list_that_we_know_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - what is no JSON is refused in the words of its library
        published(text)
