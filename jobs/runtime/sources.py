"""A checkpoint's log of what its query has read, as the plain files that it is: which landing object belongs to which batch."""

import json
from collections.abc import Mapping

from ingest.landing import Store

COMPACT = ".compact"  # Spark writes every tenth log with the entries of all before it


def entries(store: Store, checkpoint: str) -> Mapping[str, int]:
    """The entry in which each landing object stands that the query knows."""
    folder = _folder(checkpoint)
    logs: dict[int, str] = {}
    for key in store.keys(folder):
        number = key.removeprefix(folder).removesuffix(COMPACT)
        if number.isdigit() and (key.endswith(COMPACT) or int(number) not in logs):
            logs[int(number)] = key
    first = max((entry for entry, key in logs.items() if key.endswith(COMPACT)), default=0)
    found: dict[str, int] = {}
    for entry in sorted(entry for entry in logs if entry >= first):
        found |= _read(store, logs[entry]) or {}
    return found


def newest_commit(store: Store, checkpoint: str) -> int:
    """The last batch that the query has committed; -1: none."""
    names = (key.rpartition("/")[2] for key in store.keys(f"{checkpoint}/commits/"))
    return max((int(name) for name in names if name.isdigit()), default=-1)


def end(store: Store, checkpoint: str, batch: int) -> int:
    """The last entry of a batch: the log has numbers of its own, and may be ahead of the batches. -1 where nothing tells it."""
    found = store.get(f"{checkpoint}/offsets/{batch}")
    try:
        return int(json.loads(found[0].splitlines()[2])["logOffset"]) if found is not None else -1
    except (ValueError, LookupError):  # torn
        return -1


def of_batch(store: Store, checkpoint: str, batch: int) -> list[str]:
    """The objects that a batch reads. Asked before each: it reads no more of the log than it must."""
    first, last = end(store, checkpoint, batch - 1), end(store, checkpoint, batch)
    if batch and first < 0:  # nobody knows; it has one entry as a rule
        first = last - 1
    found: list[str] = []
    for number in range(first + 1, last + 1):
        key = f"{_folder(checkpoint)}{number}"
        told = _read(store, key) or _read(store, key + COMPACT) or {}
        found += [name for name, entry in told.items() if entry == number]
    return found


def uncommitted(store: Store, checkpoint: str) -> list[str]:
    """What the query knows of and has not committed: the objects of a batch that failed."""
    batch, known = newest_commit(store, checkpoint), entries(store, checkpoint)
    newest = end(store, checkpoint, batch)
    if batch >= 0 and newest < 0:  # nobody knows; the failed batch has one entry as a rule
        newest = max(known.values(), default=0) - 1
    return [key for key, entry in known.items() if entry > newest]


def committed(store: Store, checkpoint: str, *, but: int = 0) -> list[str]:
    """The objects of all batches that are committed, but for so many of the newest."""
    newest = end(store, checkpoint, newest_commit(store, checkpoint) - but)
    return [key for key, entry in entries(store, checkpoint).items() if entry <= newest]


def _folder(checkpoint: str) -> str:
    return f"{checkpoint}/sources/0/"


def _read(store: Store, key: str) -> dict[str, int] | None:
    found = store.get(key)
    if found is None:
        return None
    told = [json.loads(line) for line in found[0].splitlines()[1:]]
    return {one["path"][one["path"].index("/landing/channel=") + 1 :]: one["batchId"] for one in told}
