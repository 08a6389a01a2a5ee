"""The generated pages of docs/."""

import sys
from collections.abc import Iterable
from pathlib import Path

from jobs.tables import TABLES
from jobs.tables.table import Table

PAGE = Path(__file__).resolve().parent.parent / "docs" / "tables.md"
HEAD = """# Tables

Written by `make docs` from the values in `jobs/tables/`; do not edit. All are Delta tables below `<lake>/tables/`, reader 1 and
writer 2: Athena, DuckDB, delta-rs, Trino and Spark read them. Times are UTC to the microsecond; no number is ever a float.
"""


def tables_page(tables: Iterable[Table]) -> str:
    """Every column of every table."""
    return "\n".join([HEAD, *(_section(table) for table in tables)])


def _section(table: Table) -> str:
    rows = "\n".join(f"| `{column.name}` | {column.type} | {_cell(column.comment)} |" for column in table.columns)
    return (
        f"## {table.name}\n\n{table.comment}\n\n"
        f"Key: {_names(table.key)}. Partitioned by {_names(table.partitioned_by)}.\n\n"
        f"| Column | Type | Meaning |\n|---|---|---|\n{rows}\n"
    )


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def main() -> int:
    """Write them."""
    PAGE.write_text(tables_page(TABLES.values()), encoding="utf-8")
    print(f"written: {PAGE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
