"""Athena, by its API: statements that are run to their end."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobs.runtime.cli import JobError

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient

PATIENCE = 300.0  # seconds; a view takes one or two
_PAUSES = (0.1, 0.2, 0.5, 1.0)


class AthenaError(JobError):
    """A statement did not succeed; says which and why."""


@dataclass(frozen=True)
class Athena:
    """Where statements are run."""

    client: "AthenaClient"
    database: str
    output: str | None  # None: where its workgroup says
    sleep: Callable[[float], None] = field(default=time.sleep)

    def run(self, name: str, statement: str) -> None:
        """Until it has succeeded. AthenaError: it has not."""
        more: dict[str, Any] = {"ResultConfiguration": {"OutputLocation": self.output}} if self.output else {}
        id_ = self.client.start_query_execution(QueryString=statement, QueryExecutionContext={"Database": self.database}, **more)[
            "QueryExecutionId"
        ]
        waited, pauses = 0.0, iter(_PAUSES)
        while True:
            status = self.client.get_query_execution(QueryExecutionId=id_)["QueryExecution"]["Status"]
            if status["State"] == "SUCCEEDED":
                return
            if status["State"] in ("FAILED", "CANCELLED"):
                raise AthenaError(f"Athena, {name}: {status['State']}: {status.get('StateChangeReason', 'it does not say why')}")
            if waited >= PATIENCE:
                raise AthenaError(f"Athena, {name}: {status['State']} after {waited:.0f} seconds (query {id_})")
            pause = next(pauses, _PAUSES[-1])
            self.sleep(pause)
            waited += pause
