"""A process that measures itself on demand: one JSON line in, one JSON line out."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

HOME = Path(__file__).resolve().parents[2]


class Worker:
    """The other end: `ask` waits for the answer."""

    def __init__(self, module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        env = {**os.environ, "PYTHONPATH": str(HOME), "TZ": "UTC", **(environment or {})}
        command = [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments]
        self.process = subprocess.Popen(command, cwd=HOME, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, what: str, **arguments: Any) -> Any:  # noqa: ANN401 - JSON values
        questions, answers = self._pipes()
        print(json.dumps([what, arguments]), file=questions, flush=True)
        line = answers.readline()
        if not line:
            raise RuntimeError(
                f"{self.process.args!r}: ended with {self.process.wait()} instead of an answer to {what}; see above"
            )
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for pipe in self._pipes():
            pipe.close()
        try:
            self.process.wait(30 if error is None else 1)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            self.process.wait()

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        questions, answers = self.process.stdin, self.process.stdout
        assert questions is not None
        assert answers is not None
        return questions, answers


def private_output() -> IO[str]:
    """Standard output for answers alone; what anybody else prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def serve(answers: IO[str], functions: Mapping[str, Callable[..., Any]]) -> None:
    """Answer until the questions end."""
    for line in sys.stdin:
        what, arguments = json.loads(line)
        print(json.dumps(functions[what](**arguments)), file=answers, flush=True)
