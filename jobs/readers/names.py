"""Which table stands in the catalog under which name. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from jobs.runtime import history
from jobs.tables import IMPORTED, TABLES
from jobs.tables.table import Table


class Past(NamedTuple):
    """A dataset of history: the table whose columns it has, and the column that `published` calls feed."""

    table: Table
    feed: str


HISTORY: Mapping[str, Past] = {
    **{name: Past(table, history.FEEDS.get(name, "feed")) for name, table in history.TABLES.items()},
    **{name: Past(table, "feed") for name, table in IMPORTED.items()},
}


def delta_name(table: Table) -> str:
    """The live half of a table that has a history stands beside the view of its name."""
    return f"{table.name}_live" if table.name in HISTORY else table.name


def history_name(dataset: str) -> str:
    """The other half; a dataset that no live table goes on with has its own name."""
    return f"{dataset}_history" if dataset in TABLES else dataset


def joined() -> Mapping[str, Past]:
    """The datasets that are one with a live table: each a view."""
    return {name: past for name, past in HISTORY.items() if name in TABLES}
