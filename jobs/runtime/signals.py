"""Being asked to stop. A driver is two processes, Python and its JVM, and nobody knows which of them a signal is sent to."""

import signal
from collections.abc import Callable
from typing import Any

from pyspark.java_gateway import ensure_callback_server_started
from pyspark.sql import SparkSession


class _Handler:
    """Python's answer to a signal that the JVM gets."""

    def __init__(self, asked: Callable[[], None]) -> None:
        self.asked = asked

    def handle(self, _: Any) -> None:  # noqa: ANN401 - sun.misc.Signal
        self.asked()

    class Java:
        """What py4j makes of it."""

        implements = ("sun.misc.SignalHandler",)


def when_asked_to_stop(spark: SparkSession, asked: Callable[[], None]) -> None:
    """Call this when Ctrl+C is pressed, or somebody ends spark-submit or the Python below it; neither of them ends by itself."""
    jvm: Any = spark._jvm  # noqa: SLF001 - the JVM would stop Spark in the middle of a batch
    start: Any = ensure_callback_server_started
    start(spark.sparkContext._gateway)  # noqa: SLF001 - a streaming query does the same
    for name in ("TERM", "INT"):
        jvm.sun.misc.Signal.handle(jvm.sun.misc.Signal(name), _Handler(asked))
        signal.signal(signal.Signals[f"SIG{name}"], lambda *_: asked())
