"""Where a batch's processor time goes: by phase of the query and kind of thread, by Spark's stages, by sampled stacks."""

import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

from pyspark.sql import SparkSession

from jobs.queries.trades import Trades
from tests.benchmarks import cpu

WATCHED = (
    *(("", name) for name in ("start", "batch", "close", "_bring", "save")),
    *((table, "append") for table in ("trades", "quarantine", "minutes")),
    ("minutes", "sql"),
)
RECORDING = "benchmark"
DEPTH = 64  # frames of a stack
TASK = "Executor task launch worker"
# the nearest frame that says what a task is busy with
WORK = {
    "JSON": r"jackson|catalyst\.json",
    "gzip": r"java\.util\.zip|hadoop\.io\.compress",
    "lines of text": r"LineRecordReader|LineReader|HadoopFileLinesReader",
    "parquet": r"org\.apache\.parquet|datasources\.parquet|zstd",
    "decimals": r"types\.Decimal|java\.math",
    "text": r"UTF8String|java\.util\.regex",
    "window": r"execution\.window",
    "sort": r"unsafe\.sort|UnsafeExternalRowSorter|UnsafeExternalSorter",
    "aggregation": r"aggregate|hashAgg|ObservedMetrics",
    "shuffle": r"org\.apache\.spark\.shuffle|lz4",
    "copying rows": r"UnsafeRowWriter|UnsafeWriter|UnsafeProjection|UnsafeRow|Platform\.copyMemory",
    "generated code": r"GeneratedClass",
}


class Phases:
    """A watch on a query's methods."""

    def __init__(self, spark: SparkSession, processes: Sequence[int]) -> None:
        self.spark, self.processes = spark, processes
        self.found: list[dict[str, Any]] = []
        self.depth = 0
        self.compiled = self._compilations()
        self.stage = max((stage["id"] for stage in self._stages()), default=-1)

    def watch(self, query: Trades) -> None:
        for part, name in WATCHED:
            owner = getattr(query.tables, part) if part else query
            setattr(owner, name, self._watched(f"{part}.{name}".lstrip("."), getattr(owner, name)))

    def told(self) -> Mapping[str, Any]:
        stages = [stage for stage in self._stages() if stage["id"] > self.stage]
        return {"phases": self.found, "stages": stages, "compilations": self._compilations() - self.compiled}

    def _watched(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(work)
        def measured(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the method takes and gives
            entry: dict[str, Any] = {"phase": name, "depth": self.depth}
            self.found.append(entry)
            self.depth += 1
            before, began = self._threads(), time.monotonic()
            try:
                return work(*arguments, **named)
            finally:
                self.depth -= 1
                used = Counter(self._threads())
                used.subtract(before)
                entry |= {"wall": time.monotonic() - began, "threads": {key: value for key, value in used.items() if value > 0}}

        return measured

    def _threads(self) -> Mapping[str, float]:
        python, jvm = self.processes
        groups = dict(cpu.of_threads(jvm))
        # threads that ended are in the process' sum alone
        return {**groups, "all": cpu.seconds(jvm) + cpu.seconds(python), "Python": cpu.seconds(python)}

    def _compilations(self) -> int:
        jvm: Any = self.spark._jvm
        metrics = jvm.org.apache.spark.metrics.source.CodegenMetrics
        return int(metrics.METRIC_COMPILATION_TIME().getCount())

    def _stages(self) -> list[dict[str, Any]]:
        context, jvm = self.spark.sparkContext, self.spark._jvm
        gateway: Any = context._gateway
        assert jvm is not None
        no_quantiles = gateway.new_array(jvm.double, 0)
        found = context._jsc.sc().statusStore().stageList(None, False, False, no_quantiles, None).iterator()
        stages = []
        while found.hasNext():
            stage = found.next()
            stages.append(
                {
                    "id": stage.stageId(),
                    "name": stage.name()[:60],
                    "tasks": stage.numTasks(),
                    "cpu": stage.executorCpuTime() / 1e9,
                    "run": stage.executorRunTime() / 1e3,
                    "read": stage.inputBytes() + stage.shuffleReadBytes(),
                    "shuffled": stage.shuffleWriteBytes(),
                    "written": stage.outputBytes(),
                }
            )
        return sorted(stages, key=lambda stage: stage["id"])


@contextmanager
def sampled(jvm: int, recording: str) -> Iterator[dict[str, Any]]:
    """Sample the JVM's stacks meanwhile, by the tools of a whole JDK; the answer is filled in at the end."""
    found: dict[str, Any] = {}
    if not (recording and shutil.which("jcmd") and shutil.which("jfr")):
        found["left out"] = "jcmd and jfr of a JDK are not there" if recording else "not asked for"
        yield found
        return
    began = time.time()
    yield found
    _tell(jvm, "JFR.dump", f"name={RECORDING}", f"filename={recording}", f"begin=-{int(time.time() - began) + 1}s")
    asked = ["jfr", "print", "--events", "jdk.ExecutionSample", "--stack-depth", str(DEPTH), recording]
    with subprocess.Popen(asked, stdout=subprocess.PIPE, text=True) as printed:
        assert printed.stdout is not None
        found |= summary(printed.stdout)


def record(jvm: int) -> None:
    """Start the flight recorder, long before what is to be looked at: it makes the JVM compile much of its code again."""
    if shutil.which("jcmd"):
        _tell(jvm, "JFR.start", f"name={RECORDING}", "settings=profile")


def _tell(jvm: int, *command: str) -> None:
    subprocess.run(["jcmd", str(jvm), *command], stdout=subprocess.DEVNULL, check=True)


def summary(lines: Iterator[str] | Sequence[str]) -> Mapping[str, Any]:
    """Of `jfr print`: what the tasks' samples are about, and the methods most often on top and anywhere."""
    work, top, anywhere, total = Counter[str](), Counter[str](), Counter[str](), 0
    stack: list[str] = []
    thread = ""
    inside = False
    for line in lines:
        text = line.strip()
        if text.startswith("sampledThread = "):
            thread = text.split('"')[1] if '"' in text else ""
        elif text.startswith("stackTrace = ["):
            inside, stack = True, []
        elif inside and text == "]":
            inside = False
        elif inside and (method := re.match(r"([^\s(]+)\(", text)):
            stack.append(method[1])
        elif text == "}" and stack:
            if thread.startswith(TASK):
                total += 1
                work[_work(stack)] += 1
                top[stack[0]] += 1
                anywhere.update(set(stack))
            stack = []
    return {"total": total, "work": work.most_common(), "top": top.most_common(25), "anywhere": anywhere.most_common(60)}


def _work(stack: Sequence[str]) -> str:
    for frame in stack:
        for name, pattern in WORK.items():
            if re.search(pattern, frame):
                return name
    return "other"
