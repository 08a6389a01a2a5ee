"""Glue: what stands there is brought to what should stand there. Nothing that is right already is written again."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ingest.settings import Catalog, Lake
from jobs.readers import records
from jobs.readers.names import history_name
from jobs.runtime.cli import JobError
from jobs.transforms.published import Month

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_glue.type_defs import PartitionValueListTypeDef, TableInputTypeDef

AT_ONCE = 100  # partitions that Glue takes in one request …
DROPPED_AT_ONCE = 25  # … and forgets in one
BY_OTHERS = ("AlreadyExistsException", "EntityNotFoundException")  # somebody else did it at the same moment
One = TypeVar("One")
Values = tuple[str, ...]


class GlueError(JobError):
    """Glue or Athena did not do what it was asked for; says what."""


@dataclass(frozen=True)
class Glue:
    """A database of it."""

    client: "GlueClient"
    database: str
    lake: str  # s3://bucket/prefix

    def open(self) -> bool:
        """Make the database if it is not there."""
        try:
            self.client.get_database(Name=self.database)
        except self.client.exceptions.EntityNotFoundException:
            told = "A ticklake: live Delta tables, history, and views on both."
            self.client.create_database(DatabaseInput={"Name": self.database, "Description": told})
            return True
        return False

    def put(self, wanted: "TableInputTypeDef") -> bool:
        """Create or update a table; whether anything was to do."""
        there: Any = self._table(wanted["Name"])
        if there is None:
            self.client.create_table(DatabaseName=self.database, TableInput=wanted)
        elif not records.holds(there, wanted):
            self.client.update_table(DatabaseName=self.database, TableInput=wanted)
        else:
            return False
        return True

    def partitions(self, dataset: str) -> dict[Values, Any]:
        """Those that are registered."""
        pages = self.client.get_paginator("get_partitions").paginate(DatabaseName=self.database, TableName=history_name(dataset))
        return {tuple(one["Values"]): one for page in pages for one in page["Partitions"]}

    def add_partitions(self, dataset: str, months: Iterable[Month]) -> int:
        """Register the partitions of these months, and right those that stand there otherwise; how many. The table has to be there."""
        there = self.partitions(dataset)
        inputs = {values: records.partition(dataset, self.lake, values) for values in sorted(records.values(months))}
        name = history_name(dataset)
        new = [wanted for values, wanted in inputs.items() if values not in there]
        for some in _portions(new, AT_ONCE):
            told = self.client.batch_create_partition(DatabaseName=self.database, TableName=name, PartitionInputList=some)
            self._refuse(told.get("Errors"))
        changed = [values for values, wanted in inputs.items() if values in there and not records.holds(there[values], wanted)]
        for some_ in _portions(changed, AT_ONCE):
            self._refuse(
                self.client.batch_update_partition(
                    DatabaseName=self.database,
                    TableName=name,
                    Entries=[{"PartitionValueList": list(values), "PartitionInput": inputs[values]} for values in some_],
                ).get("Errors")
            )
        return len(new) + len(changed)

    def drop_partitions(self, dataset: str, months: Iterable[Month]) -> int:
        """Forget the partitions of no month; how many."""
        withdrawn = sorted(self.partitions(dataset).keys() - records.values(months))
        name = history_name(dataset)
        for some in _portions(withdrawn, DROPPED_AT_ONCE):
            named: list[PartitionValueListTypeDef] = [{"Values": list(values)} for values in some]
            told = self.client.batch_delete_partition(DatabaseName=self.database, TableName=name, PartitionsToDelete=named)
            self._refuse(told.get("Errors"))
        return len(withdrawn)

    def has(self, dataset: str) -> bool:
        """Is the table of this history there?"""
        return self._table(history_name(dataset)) is not None

    def _table(self, name: str) -> Any:  # noqa: ANN401 - what Glue says
        try:
            return self.client.get_table(DatabaseName=self.database, Name=name)["Table"]
        except self.client.exceptions.EntityNotFoundException:
            return None

    def _refuse(self, errors: Sequence[Any] | None) -> None:
        for error in errors or ():
            detail = error["ErrorDetail"]
            if detail["ErrorCode"] in BY_OTHERS:
                continue
            raise GlueError(
                f"Glue, {self.database}: partition {error['PartitionValues']}: {detail['ErrorCode']}: {detail['ErrorMessage']}"
            )


def glue(lake: Lake, settings: Catalog) -> Glue:
    """By the configuration."""
    return Glue(client("glue", lake, settings), settings.database, lake.path.rstrip("/"))


@contextlib.contextmanager
def spoken() -> Iterator[None]:
    """What AWS refuses, or does not answer, is one sentence: permissions, regions and networks are wrong in many ways."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see `client`

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise GlueError(f"{type(error).__name__}: {error}") from error


def client(service: Any, lake: Lake, settings: Catalog) -> Any:  # noqa: ANN401 - a client of whichever service
    """Of AWS, or of what stands in for it."""
    import boto3  # noqa: PLC0415 - it takes half a second to import
    from botocore.config import Config  # noqa: PLC0415 - see above

    return boto3.Session().client(
        service,
        endpoint_url=settings.endpoint,
        region_name=lake.region,
        config=Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "max_attempts": 5}),
    )


def _portions(all_: Sequence[One], size: int) -> Iterator[list[One]]:
    return (list(all_[start : start + size]) for start in range(0, len(all_), size))
