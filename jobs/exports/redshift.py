"""How Redshift takes a load: a manifest, and a transaction that puts its rows in the place of those of the same days."""

import json
from collections.abc import Iterable, Mapping
from string import Template

from jobs.exports.files import File
from jobs.exports.layouts import LAYOUTS, Form, Layout
from jobs.exports.loads import Load
from jobs.tables import TABLES
from jobs.tables.table import Column, Table
from jobs.transforms.spans import Span, joined, time_of

SCHEMA = "ticklake_exports"  # of its own: tables that hold all rows, beside those of the catalog
_TYPES = {"STRING": "VARCHAR(256)", "INT": "INTEGER"}
_LONG = {"object": "VARCHAR(1024)"}  # as long as a key in S3 may be
HEAD = """-- Written by `make docs`: what `export --layout redshift` loads into. What the columns mean: docs/tables.md.
CREATE SCHEMA IF NOT EXISTS ticklake_exports;

-- the loads that were taken in, of each table
CREATE TABLE IF NOT EXISTS ticklake_exports."loads" ("table" VARCHAR(64) NOT NULL, "load" INTEGER NOT NULL);
"""
NEXT = Template("""\
-- Load $number of $table: once, and after load $last. Elsewhere it fails at the first INSERT, and changes nothing.
BEGIN;
INSERT INTO $schema."loads"
  SELECT '$table', CASE WHEN COALESCE(MAX("load"), 0) = $last THEN $number END FROM $schema."loads" WHERE "table" = '$table';
${stage}DELETE FROM $schema."$table" WHERE
$within;
${take}COMMIT;
""")
STAGE = Template("""\
CREATE TEMPORARY TABLE "${table}_new" (LIKE $schema."$table");
COPY "${table}_new" FROM '$manifest' IAM_ROLE DEFAULT FORMAT AS PARQUET MANIFEST;
""")
TAKE = Template("""\
INSERT INTO $schema."$table" SELECT * FROM "${table}_new";
DROP TABLE "${table}_new";
""")
WHOLE = Template("""\
-- All of $table as of load $number, in the place of whatever is there; then the loads after it.
BEGIN;
DELETE FROM $schema."loads" WHERE "table" = '$table';
INSERT INTO $schema."loads" VALUES ('$table', $number);
DELETE FROM $schema."$table";
${copy}COMMIT;
""")
COPY = Template("""\
COPY $schema."$table" FROM '$manifest' IAM_ROLE DEFAULT FORMAT AS PARQUET MANIFEST;
""")


def script() -> str:
    """The tables: the columns of the files, in their order."""
    return HEAD + "".join(f"\n{_table(TABLES[name])}" for name in LAYOUTS["redshift"].forms)


def _table(table: Table) -> str:
    columns = ",\n".join(f'  "{column.name}" {type_of(column)}' for column in table.columns)
    return f'CREATE TABLE IF NOT EXISTS {SCHEMA}."{table.name}" (\n{columns}\n);\n'


def type_of(column: Column) -> str:
    """A column's type there."""
    return _LONG.get(column.name) or _TYPES.get(column.type, column.type)


def beside(root: str, folder: str, layout: Layout, form: Form, load: Load) -> Mapping[str, str]:
    """Of one load: what it brings, and how it is taken in once, after the one before it."""
    told = {"table": load.table, "number": load.number, "last": load.number - 1, "schema": SCHEMA}
    told |= {"manifest": f"{root}/{folder}loads/{load.number:06}.manifest", "within": _within(layout, form, load.files)}
    if all(file is None for file in load.files.values()):  # COPY wants a file
        return {"sql": NEXT.substitute(told, stage="", take="")}
    sql = NEXT.substitute(told, stage=STAGE.substitute(told), take=TAKE.substitute(told))
    return {"manifest": manifest(root, load.files), "sql": sql}


def whole(root: str, folder: str, load: Load) -> Mapping[str, str]:
    """Of all files: to begin with, or to begin anew."""
    told = {"table": load.table, "number": load.number, "schema": SCHEMA}
    told |= {"manifest": f"{root}/{folder}current.manifest"}
    return {
        "manifest": manifest(root, load.files),
        "sql": WHOLE.substitute(told, copy=COPY.substitute(told) if any(load.files.values()) else ""),
    }


def manifest(root: str, files: Mapping[str, File | None]) -> str:
    """Which files, and how long each is: of parquet Redshift wants to know."""
    entries = [
        {"url": f"{root}/{file.key}", "mandatory": True, "meta": {"content_length": file.bytes}}
        for _, file in sorted(files.items())
        if file is not None
    ]
    return json.dumps({"entries": entries}, indent=1) + "\n"


def _within(layout: Layout, form: Form, paths: Iterable[str]) -> str:
    """The days, or months, of pairs that these files have; those side by side as one condition."""
    found: dict[str, list[Span]] = {}
    for path in paths:
        told = layout.what_of(path)
        assert told is not None, path
        found.setdefault(told[0], []).append(told[1])
    (time,) = form.times.values()
    return "\nOR ".join(
        f"(\"pair\" = '{pair}' AND \"{time}\" >= '{_text(low)}' AND \"{time}\" < '{_text(high + 1)}')"
        for pair, spans in sorted(found.items())
        for low, high in joined(spans)
    )


def _text(minute: int) -> str:
    return f"{time_of(minute):%Y-%m-%d %H:%M:%S}"
