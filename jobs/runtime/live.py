"""A live Delta table as its one writer holds it: every version is ours, or somebody else wrote."""

import json
import threading
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from pyspark.sql import DataFrame, SparkSession

from ingest.landing import Store
from jobs.runtime import deltalog
from jobs.runtime.deltalog import Commit
from jobs.runtime.lease import Lease
from jobs.tables.table import Table

PROTOCOL = (1, 2)  # reader, writer: what Athena, Redshift, Snowflake, Trino and delta-rs all read
METADATA = "spark.databricks.delta.commitInfo.userMetadata"


class Foreign(Exception):  # noqa: N818 - says what is so
    """A version of a table is not ours: a second driver wrote."""


class TableError(Exception):
    """A table is not as it has to be."""


@dataclass
class Live:
    """One table, its newest version that this driver knows, and that version's commit id."""

    spark: SparkSession
    store: Store
    lease: Lease
    table: Table
    path: str
    version: int = -1
    id: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    accepted: int = 0  # how often somebody else's versions were taken over
    lock: threading.RLock = field(default_factory=threading.RLock)  # several queries of one driver share `quarantine`

    def open(self, *, accept: bool = False) -> None:
        """Create it if it is not there; learn its newest version; refuse what its readers could not read.

        And what no driver before this one can have left, unless told to accept it.
        """
        with self.lock:
            self._open(accept=accept)

    def _open(self, *, accept: bool) -> None:
        now = snapshot(self.spark, self.path)
        if now.version() < 0:
            self.sql(self.table.ddl(self.path))
            now = snapshot(self.spark, self.path)
        protocol = (now.protocol().minReaderVersion(), now.protocol().minWriterVersion())
        if protocol != PROTOCOL:
            raise TableError(
                f"{self.path}: Delta protocol is {protocol}; it must be {PROTOCOL}, or Athena and Redshift cannot read it"
            )
        try:
            self._check_since(int(now.version()))
        except Foreign:
            if not accept:
                raise
            self.accepted += 1
        self.version = int(now.version())
        found = deltalog.commit(self.store, self.table.name, self.version)
        self.id = found.id if found else None
        self.properties = self._configuration(now)

    def at(self) -> dict[str, Any]:
        """Its newest version that this driver knows; its maintenance may be about to write another one."""
        with self.lock:
            return {"version": self.version, "commit": self.id}

    def read(self) -> DataFrame:
        return self.spark.read.format("delta").load(self.path)

    def files(self, added: Sequence[str]) -> DataFrame:
        """The rows of some of its files."""
        schema = ", ".join(f"`{column.name}` {column.type}" for column in self.table.columns)
        reader = self.spark.read.schema(schema).option("basePath", self.path)
        return reader.parquet(*(f"{self.path}/{unquote(name)}" for name in added))

    def added_after(self, version: int) -> list[str] | None:
        """The files with new rows of all later versions; None where the log does not tell them all, or rows were taken away."""
        found: list[str] = []
        for later in range(version + 1, self.version + 1):
            commit = deltalog.commit(self.store, self.table.name, later)
            if commit is None or commit.removed:
                return None
            found.extend(commit.added)
        return found

    def check_after(self, version: int) -> None:
        """Did somebody without a lease of ours change rows since that version?"""
        for later in range(version + 1, self.version + 1):
            commit = deltalog.commit(self.store, self.table.name, later)
            if commit is not None and (commit.added or commit.removed) and "epoch" not in commit.metadata:
                raise self._foreign(commit)

    def check(self) -> None:
        """Is the newest version one that we wrote or started from?"""
        with self.lock:
            self._check()

    def _check(self) -> None:
        later = deltalog.commit(self.store, self.table.name, self.version + 1)
        if later is not None:
            raise self._foreign(later)
        if self.version >= 0:
            newest = deltalog.commit(self.store, self.table.name, self.version)
            if (newest.id if newest else None) != self.id:
                raise Foreign(
                    f"{self.path}: version {self.version} is another commit now ({newest.metadata if newest else 'gone'})"
                )

    def _check_since(self, newest: int) -> None:
        """Refuse what no driver before this one can have left; when opened again, after a failure, all that is not ours."""
        if self.version < 0:
            before, last = self._epoch(newest - 1), self._epoch(newest)
            if before is not None and last is not None and last < before:  # its driver had lost the lease to another by then
                raise Foreign(f"{self.path}: version {newest} is of lease epoch {last}, the one before it of {before}")
            return
        for version in range(self.version, newest + 1):
            found = deltalog.commit(self.store, self.table.name, version)
            told = found.metadata if found else {}
            is_ours = told.get("commit") == self.id if version == self.version else told.get("epoch") == self.lease.epoch
            if not is_ours:
                raise Foreign(f"{self.path}: version {version} is not ours ({told or 'no word of whom'})")

    def _epoch(self, version: int) -> int | None:
        found = deltalog.commit(self.store, self.table.name, version)
        return found.metadata.get("epoch") if found else None

    def append(self, rows: DataFrame, **told: Any) -> Commit:  # noqa: ANN401 - JSON values
        """Add rows. Where there are none, no version comes of it: the answer is a commit that added nothing."""
        with self.lock:
            metadata = self._about_to_commit(told)
            rows.write.format("delta").mode("append").option("userMetadata", json.dumps(metadata)).save(self.path)
            return self._committed(metadata["commit"]) or Commit(self.version, {}, (), removed=False)

    def overwrite(self, rows: DataFrame, predicate: str | None = None, **told: Any) -> Commit | None:  # noqa: ANN401 - see above
        """Put these rows in the place of what the predicate names, or of everything."""
        with self.lock:
            metadata = self._about_to_commit(told)
            writer = rows.write.format("delta").mode("overwrite").option("userMetadata", json.dumps(metadata))
            (writer.option("replaceWhere", predicate) if predicate else writer).save(self.path)
            return self._committed(metadata["commit"])

    def merge(self, rows: DataFrame, within: str, *, nulls: Collection[str] = (), **told: Any) -> Commit | None:  # noqa: ANN401 - see above
        """Put rows in the place of those with their keys, or beside them. `within`: a literal condition on `t`, to read few files.

        `nulls`: columns of the key that may be NULL.
        """
        view = f"{self.table.name}_rows"
        rows.createOrReplaceGlobalTempView(view)  # a batch has a session of its own
        alike = {name: "<=>" if name in nulls else "=" for name in self.table.key}
        on = " AND ".join([*(f"t.`{name}` {same} s.`{name}`" for name, same in alike.items()), within])
        try:
            return self.sql(
                f"MERGE INTO delta.`{self.path}` t USING global_temp.`{view}` s ON {on} "
                "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *",
                **told,
            )
        finally:
            self.spark.catalog.dropGlobalTempView(view)

    def sql(self, statement: str, **told: Any) -> Commit | None:  # noqa: ANN401 - see above
        """Run a statement that changes the table. None: it found nothing to change."""
        return self.sql_in(self.spark, statement, **told)

    def sql_in(self, spark: SparkSession, statement: str, **told: Any) -> Commit | None:  # noqa: ANN401 - see above
        """The same in another session."""
        with self.lock:
            metadata = self._about_to_commit(told)
            # a statement has no options; this is Delta's only way for it. So each query has a session of its own
            spark.conf.set(METADATA, json.dumps(metadata))
            try:
                spark.sql(statement)
            finally:
                spark.conf.unset(METADATA)
            return self._committed(metadata["commit"])

    def set_property(self, name: str, value: str) -> None:
        """Tell the table something about itself."""
        self.sql(f"ALTER TABLE delta.`{self.path}` SET TBLPROPERTIES ('{name}' = '{value}')")
        self.properties = {**self.properties, name: value}

    def _about_to_commit(self, told: Mapping[str, Any]) -> dict[str, Any]:
        if self.version >= 0:
            self.check()
        self.lease.check()
        return {"commit": uuid.uuid4().hex, "epoch": self.lease.epoch, **told}

    def _committed(self, id_: str) -> Commit | None:
        found = deltalog.commit(self.store, self.table.name, self.version + 1)
        if found is None:
            return None
        if found.id != id_:
            raise self._foreign(found)
        self.version, self.id = found.version, found.id
        return found

    def _foreign(self, commit: Commit) -> Foreign:
        return Foreign(
            f"{self.path}: version {commit.version} was written by somebody else ({commit.metadata or 'no word of whom'})"
        )

    def _configuration(self, snapshot: Any) -> Mapping[str, str]:  # noqa: ANN401 - a Java object
        found: dict[str, str] = {}
        pairs = snapshot.metadata().configuration().iterator()
        while pairs.hasNext():
            pair = pairs.next()
            found[pair._1()] = pair._2()  # noqa: SLF001 - a Scala tuple
        return found


def snapshot(spark: SparkSession, path: str) -> Any:  # noqa: ANN401 - a Java object
    """A table as it is now; its version is -1 where there is none."""
    jvm: Any = spark._jvm  # noqa: SLF001 - Delta's Python package would answer the same questions with Spark jobs
    log = jvm.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, path)  # noqa: SLF001 - see above
    none = jvm.scala.Option.empty()
    return log.update(False, none, none)  # not a stale one
