"""The steps of a batch, watched, and disturbed: by a death that leaves what was committed and nothing else, or by whatever."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from jobs.queries.trades import Trades

# (part of the query, its method, which call of it in a batch) -> the step
STEPS = {
    ("trades", "append", 1): "trades",
    ("trades", "append", 2): "late",
    ("quarantine", "append", 1): "quarantine",
    ("minutes", "append", 1): "minutes append",
    ("minutes", "sql", 1): "minutes merge",
    ("progress", "save", 1): "progress",
}
POINTS = tuple(f"{when} {step}" for step in STEPS.values() for when in ("before", "after"))


class Died(Exception):  # noqa: N818 - says what happened
    """The driver is no more."""


def die() -> None:
    """End the driver."""
    raise Died


class Steps:
    """Watches a driver through one batch; at a point, such as `before trades` or `after minutes merge`, something happens."""

    def __init__(self, query: Trades, at: str | None = None, happens: Callable[[], None] = die) -> None:
        self.made: list[str] = []
        self.at, self.happens = at, happens
        self._calls: Counter[tuple[str, str]] = Counter()
        for part, method in {(part, method) for part, method, _ in STEPS}:
            owner = query.progress if part == "progress" else getattr(query.tables, part)
            setattr(owner, method, self._watched(part, method, getattr(owner, method)))

    def _watched(self, part: str, method: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - stands in for several methods
            self._calls[part, method] += 1
            step = STEPS.get((part, method, self._calls[part, method]), "once more")
            if self.at == f"before {step}":
                self.happens()
            answer = real(*arguments, **named)
            self.made.append(step)
            if self.at == f"after {step}":
                self.happens()
            return answer

        return watched
