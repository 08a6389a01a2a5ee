"""Spark's own log of what a query has read, as files of a checkpoint."""

import json
from pathlib import Path

import pytest

from ingest.landing import Files
from jobs.runtime import sources

CHECKPOINT = "checkpoints/trades/1"


def logged(lake: Path, name: str, *batches: tuple[int, str]) -> None:
    """Spark's log of a file source, in its own words."""
    entries = [
        json.dumps({"path": f"file://{lake}/landing/channel=trades/{key}", "timestamp": 1, "batchId": number})
        for number, key in batches
    ]
    Files(lake).create(f"{CHECKPOINT}/sources/0/{name}", "\n".join(["v1", *entries]).encode())


def planned(lake: Path, batch: int, end: int) -> None:
    Files(lake).create(f"{CHECKPOINT}/offsets/{batch}", f'v1\n{{"batchWatermarkMs":0}}\n{{"logOffset":{end}}}'.encode())


def committed(lake: Path, batch: int) -> None:
    Files(lake).create(f"{CHECKPOINT}/commits/{batch}", b'v1\n{"nextBatchWatermarkMs":0}')


def named(*numbers: object) -> list[str]:
    return [f"landing/channel=trades/{number}.gz" for number in numbers]


def test_every_tenth_batch_is_logged_with_all_before_it(lake: Path):
    logged(lake, "8", (8, "8.gz"))
    logged(lake, "9.compact", *((number, f"{number}.gz") for number in range(10)), (9, "9b.gz"))
    logged(lake, "10", (10, "10.gz"))
    found = dict(zip(named(*range(11)), range(11), strict=True)) | dict.fromkeys(named("9b"), 9)
    assert sources.entries(Files(lake), CHECKPOINT) == found
    planned(lake, 8, 8)
    planned(lake, 9, 9)
    assert sources.of_batch(Files(lake), CHECKPOINT, 9) == named(9, "9b")


def test_which_objects_are_committed_and_which_belong_to_a_batch(lake: Path):
    """Entry 2 was written by a driver that died before it planned the batch, so batch 2 has two entries."""
    store = Files(lake)
    assert sources.uncommitted(store, CHECKPOINT) == sources.committed(store, CHECKPOINT) == []
    for number in range(5):
        logged(lake, str(number), (number, f"{number}.gz"))
    for batch, end in enumerate((0, 1, 3, 4)):
        planned(lake, batch, end)
    for batch in range(3):
        committed(lake, batch)
    Files(lake).create(f"{CHECKPOINT}/commits/.9.crc", b"")
    assert [sources.of_batch(store, CHECKPOINT, batch) for batch in range(4)] == [named(0), named(1), named(2, 3), named(4)]
    assert sources.uncommitted(store, CHECKPOINT) == named(4)
    assert sources.committed(store, CHECKPOINT) == named(0, 1, 2, 3)
    assert sources.committed(store, CHECKPOINT, but=1) == named(0, 1)


@pytest.mark.parametrize("text", [b"", b"v1\n{}\n", b'v1\n{}\n{"logOff'])
def test_a_torn_plan_says_nothing(lake: Path, text: bytes):
    logged(lake, "0", (0, "0.gz"))
    Files(lake).create(f"{CHECKPOINT}/offsets/0", text)
    committed(lake, 0)
    assert sources.committed(Files(lake), CHECKPOINT) == []
    logged(lake, "1", (1, "1.gz"))
    assert sources.uncommitted(Files(lake), CHECKPOINT) == named(1), "not all that was ever read"
