"""How Redshift takes a load: a manifest, and a transaction that puts its rows in the place of those of the same days."""

import json
from collections.abc import Iterable, Mapping
from string import Template

from jobs.exports.files import File
from jobs.exports.layouts import Form, Layout
from jobs.exports.loads import Load
from jobs.transforms.spans import Span, joined, time_of

# the warehouse remembers in "export_loads" what it has taken in
BEGIN = """\
BEGIN;
CREATE TABLE IF NOT EXISTS "export_loads" ("table" VARCHAR(64) NOT NULL, "load" INTEGER NOT NULL);
"""
NEXT = Template("""\
-- Load $number of $table: once, and after load $last. Elsewhere it fails at the first INSERT, and changes nothing.
${begin}INSERT INTO "export_loads"
  SELECT '$table', CASE WHEN COALESCE(MAX("load"), 0) = $last THEN $number END FROM "export_loads" WHERE "table" = '$table';
${stage}DELETE FROM "$table" WHERE
$within;
${take}COMMIT;
""")
STAGE = Template("""\
CREATE TEMPORARY TABLE "${table}_new" (LIKE "$table");
COPY "${table}_new" FROM '$manifest' IAM_ROLE DEFAULT FORMAT AS PARQUET MANIFEST;
""")
TAKE = Template("""\
INSERT INTO "$table" SELECT * FROM "${table}_new";
DROP TABLE "${table}_new";
""")
WHOLE = Template("""\
-- All of $table as of load $number, in the place of whatever is there; then the loads after it.
${begin}DELETE FROM "export_loads" WHERE "table" = '$table';
INSERT INTO "export_loads" VALUES ('$table', $number);
DELETE FROM "$table";
${copy}COMMIT;
""")
COPY = Template("""\
COPY "$table" FROM '$manifest' IAM_ROLE DEFAULT FORMAT AS PARQUET MANIFEST;
""")


def beside(root: str, folder: str, layout: Layout, form: Form, load: Load) -> Mapping[str, str]:
    """Of one load: what it brings, and how it is taken in once, after the one before it."""
    told = {"table": load.table, "number": load.number, "last": load.number - 1, "begin": BEGIN}
    told |= {"manifest": f"{root}/{folder}loads/{load.number:06}.manifest", "within": _within(layout, form, load.files)}
    if all(file is None for file in load.files.values()):  # COPY wants a file
        return {"sql": NEXT.substitute(told, stage="", take="")}
    sql = NEXT.substitute(told, stage=STAGE.substitute(told), take=TAKE.substitute(told))
    return {"manifest": manifest(root, load.files), "sql": sql}


def whole(root: str, folder: str, load: Load) -> Mapping[str, str]:
    """Of all files: to begin with, or to begin anew."""
    told = {"table": load.table, "number": load.number, "begin": BEGIN}
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
