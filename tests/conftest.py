"""Fixtures. The Spark session is lazy: a run without a test that asks for it never starts a JVM."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from setup import sparkconf
from tests.support.recordings import recordings  # noqa: F401 - a fixture
from tests.support.spark import spark_conf

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Spark and Delta read the zone of Python and of the JVM in different places; both are UTC, as in production.
os.environ["TZ"] = "UTC"
time.tzset()

# no deadline: a JVM's first call takes seconds. The same examples for everybody, so that a red build is red again on one's own
# machine; `make test-long` looks for new ones
settings.register_profile("usual", deadline=None, derandomize=True)
settings.register_profile("long", deadline=None, max_examples=1000)
settings.load_profile("usual")

started: list["SparkSession"] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """PySpark leaves the socket of each collect to the garbage collector; elsewhere an unclosed socket is our fault."""
    for item in items:
        if "spark" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed <socket.socket:ResourceWarning"))


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator["SparkSession"]:
    """One session for the whole run; `clean_spark` resets it after each test."""
    from pyspark.sql import SparkSession  # noqa: PLC0415 - unit tests do not pay for it

    if not sparkconf.JARS.is_dir():
        pytest.fail("Spark's jars are not in .cache/jars; `make setup` fetches them", pytrace=False)
    scratch = tmp_path_factory.mktemp("spark")
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"  # otherwise the driver listens on an outside address
    os.environ["PYSPARK_PYTHON"] = sys.executable
    conf = spark_conf()
    # compiled by C1 only: many small plans, each run a few times; C2 would cost more than it saves
    conf[sparkconf.JAVA_OPTIONS] += f" {sparkconf.LIGHT}"
    # nothing is left behind in the working tree
    conf["spark.sql.warehouse.dir"] = str(scratch / "warehouse")
    os.environ["SPARK_LOCAL_DIRS"] = str(scratch / "local")
    # a stream's plans are small; the default would be asked for a hundred thousand times
    conf["spark.sql.streaming.pollingDelay"] = "5ms"
    builder = SparkSession.builder.master("local[2]").appName("tests")
    for key, value in conf.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    started.append(session)
    yield session
    started.clear()
    session.stop()


@pytest.fixture(autouse=True)
def clean_spark() -> Iterator[None]:
    """No query, cached table, view or changed setting goes from one test to the next."""
    before = settings_of(started[0]) if started else None
    yield
    if not started:
        return
    session = started[0]
    for query in session.streams.active:
        query.stop()
    session.catalog.clearCache()
    session._jsparkSession.sessionState().catalog().clearTempTables()  # listing them by the public way takes a query
    if before is not None and (now := settings_of(session)) != before:
        for key in now.keys() - before.keys():
            session.conf.unset(key)
        for key, value in before.items():
            if now.get(key) != value:
                session.conf.set(key, value)


def settings_of(session: "SparkSession") -> dict[str, str]:
    """The settings that differ from Spark's defaults."""
    return dict(session.conf.getAll)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """An empty lake."""
    folder = tmp_path / "lake"
    folder.mkdir()
    return folder


@pytest.fixture
def signals() -> Iterator[None]:
    """The stream takes SIGTERM and SIGINT; they are given back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
