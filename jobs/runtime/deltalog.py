"""A table's own log, read as the plain files that it is: which version is the newest, whose it is, what it added."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.landing import Store


@dataclass(frozen=True)
class Commit:
    """One version of a table."""

    version: int
    metadata: dict[str, Any]  # what the writer said of it; empty if nothing of ours
    added: Sequence[str]  # paths of files with new data, relative to the table
    removed: bool  # did it take data away?
    transaction: str | None = None  # Delta's own name of it

    @property
    def id(self) -> str | None:
        """Ours carry one."""
        return self.metadata.get("commit")


@dataclass(frozen=True)
class File:
    """A file whose rows a commit brought or took away; what its statistics say of it, if they do."""

    partition: Mapping[str, str]
    least: Mapping[str, Any]
    greatest: Mapping[str, Any]


def commit(store: Store, table: str, version: int) -> Commit | None:
    """One version; None where there is none, or its file is gone."""
    actions = _actions(store, table, version)
    if actions is None:
        return None
    info = _info(actions)
    return Commit(
        version,
        _ours(info.get("userMetadata")),
        [action["path"] for action in _changing(actions, "add")],
        bool(_changing(actions, "remove")),
        info.get("txnId"),
    )


def changed_files(store: Store, table: str, version: int) -> Sequence[File] | None:
    """The files that hold all rows that a version added, changed or took away; None where its file is gone.

    One that only moved rows from file to file changed none. What a MERGE took out of a file it wrote again, unless it says that it
    deleted rows; of a file that was taken away otherwise the log tells no more than its partition.
    """
    actions = _actions(store, table, version)
    if actions is None:
        return None
    found = [_file(action) for action in _changing(actions, "add")]
    info = _info(actions)
    if info.get("operation") == "MERGE" and info.get("operationMetrics", {}).get("numTargetRowsDeleted") == "0":
        return found
    return found + [File(action["partitionValues"], {}, {}) for action in _changing(actions, "remove")]


def _actions(store: Store, table: str, version: int) -> Sequence[Mapping[str, Any]] | None:
    found = store.get(f"tables/{table}/_delta_log/{version:020}.json")
    return [json.loads(line) for line in found[0].splitlines() if line] if found is not None else None


def _info(actions: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return next((action["commitInfo"] for action in actions if "commitInfo" in action), {})


def _changing(actions: Sequence[Mapping[str, Any]], kind: str) -> Sequence[Mapping[str, Any]]:
    """Not those that only hold the same rows in other files."""
    return [action[kind] for action in actions if kind in action and action[kind]["dataChange"]]


def _file(added: Mapping[str, Any]) -> File:
    told = json.loads(added.get("stats") or "{}")
    return File(added["partitionValues"], told.get("minValues", {}), told.get("maxValues", {}))


def _ours(told: str | None) -> dict[str, Any]:
    try:
        metadata = json.loads(told or "{}")
    except ValueError:
        return {}
    return metadata if isinstance(metadata, dict) else {}
