"""A checkpoint's log of what its query has read, as the plain files that it is: which landing object belongs to which batch."""

import json
from collections.abc import Mapping

from ingest.landing import Store

COMPACT = ".compact"  # Spark writes every tenth log with the entries of all before it


def entries(store: Store, checkpoint: str) -> Mapping[str, int]:
    """The batch of each landing object that the query knows."""
    folder = f"{checkpoint}/sources/0/"
    logs: dict[int, str] = {}
    for key in store.keys(folder):
        number = key.removeprefix(folder).removesuffix(COMPACT)
        if number.isdigit() and (key.endswith(COMPACT) or int(number) not in logs):
            logs[int(number)] = key
    first = max((batch for batch, key in logs.items() if key.endswith(COMPACT)), default=0)
    found: dict[str, int] = {}
    for batch in sorted(batch for batch in logs if batch >= first):
        told = store.get(logs[batch])
        for line in (told[0] if told else b"").splitlines()[1:]:
            entry = json.loads(line)
            found[entry["path"][entry["path"].index("/landing/channel=") + 1 :]] = entry["batchId"]
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
    """The objects that a batch reads."""
    first, last = end(store, checkpoint, batch - 1), end(store, checkpoint, batch)
    return [key for key, entry in entries(store, checkpoint).items() if first < entry <= last]


def uncommitted(store: Store, checkpoint: str) -> list[str]:
    """What the query knows of and has not committed: the objects of a batch that failed."""
    newest = end(store, checkpoint, newest_commit(store, checkpoint))
    return [key for key, entry in entries(store, checkpoint).items() if entry > newest]


def committed(store: Store, checkpoint: str, *, but: int = 0) -> list[str]:
    """The objects of all batches that are committed, but for so many of the newest."""
    newest = end(store, checkpoint, newest_commit(store, checkpoint) - but)
    return [key for key, entry in entries(store, checkpoint).items() if entry <= newest]
