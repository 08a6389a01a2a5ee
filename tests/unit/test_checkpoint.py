"""A checkpoint belongs to its tables: what a start makes of the table's word and of the checkpoint that is there."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ingest.landing import Files
from jobs.runtime import lake
from jobs.runtime.live import TableError

PROPERTY = "ticklake.checkpoint.trades"


class Died(Exception):  # noqa: N818 - says what happened
    """The driver is no more."""


@dataclass
class Table:
    """A live table's properties; the driver may die right after they are told."""

    store: Files
    path: str = "lake/tables/trades"
    properties: dict[str, str] = field(default_factory=dict)
    dies: bool = False

    def set_property(self, name: str, value: str) -> None:
        self.properties[name] = value
        if self.dies:
            raise Died


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(Files(tmp_path))


def metadata(table: Table, generation: int) -> str | None:
    path = table.store.root / f"checkpoints/trades/{generation}/metadata"
    return json.loads(path.read_text())["id"] if path.exists() else None


def test_a_checkpoint_is_begun_once_and_found_again(table):
    folder, query = lake.checkpoint(table, "trades")
    assert (folder, metadata(table, 1), table.properties) == ("checkpoints/trades/1", query, {PROPERTY: f"1 {query}"})
    assert lake.checkpoint(table, "trades") == (folder, query)


def test_a_driver_that_dies_while_it_begins_one_stops_nobody(table):
    table.dies = True
    with pytest.raises(Died):
        lake.checkpoint(table, "trades")
    assert metadata(table, 1) is None, "the table's word comes first"
    table.dies = False
    _, query = lake.checkpoint(table, "trades")
    assert (metadata(table, 1), table.properties[PROPERTY]) == (query, f"1 {query}")


@pytest.mark.parametrize(
    ("said", "whose"), [("1 another", "the table belongs to query another"), (None, "the table does not know it")]
)
def test_a_checkpoint_of_other_tables_is_refused(table, said, whose):
    _, query = lake.checkpoint(table, "trades")
    table.properties = {PROPERTY: said} if said else {}
    with pytest.raises(TableError, match=f"checkpoints/trades/1 belongs to query {query}, but {whose}"):
        lake.checkpoint(table, "trades")


def test_a_table_that_was_restored_does_not_get_a_checkpoint_that_has_a_past(table):
    old = dict(table.properties)
    _, first = lake.checkpoint(table, "trades")
    lake.condemn(table, "trades")
    _, second = lake.renew(table, "trades")
    for said in ({PROPERTY: f"1 {first}"}, old, {PROPERTY: "2 condemned"}):  # before the repair, before the first start, as on S3
        table.properties = dict(said)
        lake.condemn(table, "trades")
        folder, third = lake.renew(table, "trades")
        assert third not in (first, second)
        assert metadata(table, int(folder.rsplit("/", 1)[1])) == third
        assert folder not in ("checkpoints/trades/1", "checkpoints/trades/2")


def test_a_condemned_checkpoint_stays_so_until_there_is_another(table):
    _, query = lake.checkpoint(table, "trades")
    lake.condemn(table, "trades")
    assert (lake.is_condemned(table, "trades"), table.properties) == (True, {PROPERTY: "2 condemned"})
    lake.condemn(table, "trades")  # by the driver that begins the repair again
    assert table.properties == {PROPERTY: "2 condemned"}
    folder, other = lake.renew(table, "trades")
    assert (folder, metadata(table, 2), table.properties) == ("checkpoints/trades/2", other, {PROPERTY: f"2 {other}"})
    assert (lake.is_condemned(table, "trades"), other == query) == (False, False)
