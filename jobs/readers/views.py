"""The views: live rows and published months as one, and the questions of conf/views. SQL of Athena and Trino, which DuckDB takes, too."""

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from ingest.settings import SettingsError
from jobs.readers.names import HISTORY, delta_name, history_name, joined
from jobs.transforms.published import Month, is_live, is_published

FOLDER = "views"  # beside the configuration
_COMMENT = re.compile(r"--[^\n]*\n?")
_PART = re.compile(r"\bEXTRACT\(\w+ FROM ")  # of a time: what follows is no table
_READ = re.compile(r"\b(?:FROM|JOIN)\s+([a-z_]+)")
_NAMED = re.compile(r"\b([a-z_]+) AS \(")


class View(NamedTuple):
    """Its name, and what CREATE VIEW takes."""

    name: str
    sql: str

    @property
    def reads(self) -> set[str]:
        """The tables and views that it reads."""
        sql = _PART.sub("", _COMMENT.sub("", self.sql).replace('"', ""))
        return set(_READ.findall(sql)) - set(_NAMED.findall(sql))


def union(dataset: str, months: Iterable[Month], *, is_live_there: bool = True) -> View:
    """A published month from history, every other from the live table.

    A time is Delta's with a zone and plain parquet's without one: here it is UTC's without, which Athena's views can hold.
    """
    past = HISTORY[dataset]
    table, told = past.table, list(months)
    columns = ", ".join(
        f'CAST("{column.name}" AS TIMESTAMP) AS "{column.name}"' if column.type == "TIMESTAMP" else f'"{column.name}"'
        for column in table.columns
    )
    live = f'SELECT {columns}\nFROM "{delta_name(table)}"\nWHERE {is_live(told, past.feed)}'
    old = f'SELECT {columns}\nFROM "{history_name(dataset)}"\nWHERE {is_published(told, past.feed)}'
    return View(table.name, f"{live}\nUNION ALL\n{old}" if is_live_there else old)


def unions(months: Mapping[str, Iterable[Month]], live: Collection[str]) -> list[View]:
    """Of each dataset; `live`: the Delta tables that are there."""
    return [union(name, months.get(name, ()), is_live_there=name in live) for name in joined()]


def read(folder: Path) -> list[View]:
    """Those of a folder, one SELECT a file."""
    if not folder.is_dir():
        raise SettingsError(f"{folder}: no such folder; --views wants that of the views, such as conf/views")
    return [View(path.stem, path.read_text(encoding="utf-8").strip()) for path in sorted(folder.glob("*.sql"))]


def in_order(views: Iterable[View], there: Collection[str]) -> tuple[list[View], list[View]]:
    """Those that can be made, each after what it reads; and those that read something that is not there."""
    known, made, left = set(there), list[View](), list(views)
    while ready := [view for view in left if view.reads <= known]:
        made += ready
        known |= {view.name for view in ready}
        left = [view for view in left if view not in ready]
    return made, left
