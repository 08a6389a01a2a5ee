"""The job `compact` in a session configured as spark-submit.sh configures it, in a process of its own that measures itself."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from ingest.settings import Lake, settings
from jobs import compact
from jobs.runtime.lake import place
from jobs.runtime.session import session
from tests.benchmarks import cpu
from tests.benchmarks.worker import private_output, serve

Cost = dict[str, float]  # processor and wall seconds, those of workers and of the JVM as well


class Job:
    """Runs over fresh lakes, one after the other in one JVM."""

    def __init__(self, lake: str) -> None:
        self.parts: dict[str, Cost] = {}
        self.started = self.measured(lambda: session(Lake(lake), "benchmark"))
        watched = self.watched(compact.Run._make_minutes)
        compact.Run._make_minutes = watched  # type: ignore[method-assign, assignment]  # in this process alone

    def watched(self, made: Callable[[compact.Run], int]) -> Callable[[compact.Run], int]:
        """The making of minutes, told apart."""

        def minutes(run: compact.Run) -> int:
            rows: list[int] = []
            self.parts["minutes"] = self.measured(lambda: rows.append(made(run)))
            return rows[0]

        return minutes

    def measured(self, work: Callable[[], Any]) -> Cost:
        began = time.monotonic()
        with cpu.watched(os.getpid()) as spent:
            work()
            wall = time.monotonic() - began
        return {"cpu": spent.seconds, "wall": wall}

    def round(self, lake: str, months: int) -> Mapping[str, Cost]:
        """The whole run, and the minutes in it."""
        asked, told = settings({"lake": lake, "ingest": {"collector": "benchmark"}}), dict[str, Any]()
        whole = self.measured(lambda: told.update(compact.run(asked, place(asked.lake), argparse.Namespace())))
        if (told["published"], told["refused"], told["rejected"]) != (months, 0, 0):
            raise AssertionError(f"the job tells {told}; {months} months published and nothing refused would be right")
        return {"whole": whole, **self.parts}


def main() -> int:
    """Serve rounds."""
    os.setsid()  # what this process starts is told from others by its session
    answers = private_output()
    job = Job(sys.argv[1])
    serve(answers, {"session": lambda: job.started, "round": job.round})
    return 0


if __name__ == "__main__":
    sys.exit(main())
