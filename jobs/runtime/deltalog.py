"""A table's own log, read as the plain files that it is: which version is the newest, whose it is, what it added."""

import json
from collections.abc import Sequence
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

    @property
    def id(self) -> str | None:
        """Ours carry one."""
        return self.metadata.get("commit")


def commit(store: Store, table: str, version: int) -> Commit | None:
    """One version; None where there is none, or its file is gone."""
    found = store.get(f"tables/{table}/_delta_log/{version:020}.json")
    if found is None:
        return None
    actions = [json.loads(line) for line in found[0].splitlines() if line]
    told = next((action["commitInfo"].get("userMetadata") for action in actions if "commitInfo" in action), None)
    return Commit(
        version,
        _ours(told),
        [action["add"]["path"] for action in actions if "add" in action and action["add"]["dataChange"]],
        any("remove" in action and action["remove"]["dataChange"] for action in actions),
    )


def _ours(told: str | None) -> dict[str, Any]:
    try:
        metadata = json.loads(told or "{}")
    except ValueError:
        return {}
    return metadata if isinstance(metadata, dict) else {}
