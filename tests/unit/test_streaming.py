"""A query under supervision: what fails beside its batches counts like a batch that fails."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from jobs.runtime import streaming
from jobs.runtime.lease import LeaseLost
from jobs.runtime.live import Foreign
from jobs.runtime.streaming import LogIsLong, Supervised

FULL = 7  # a batch before which the log has become too long
Step = bool | Exception | Callable[[], None]


@dataclass
class Running:
    """A query that plays a script: is it at its end (False: not yet), an error, or something that happens first."""

    script: list[Step]
    log: list[str]

    def awaitTermination(self, _: float) -> bool:  # noqa: N802 - Spark's name
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        if callable(step):
            step()
            return False
        return step

    def stop(self) -> None:
        self.log.append("stop")


@dataclass
class Life:
    """What the supervisor is given, and what it did with it."""

    scripts: list[list[Step]]
    errors: dict[str, list[Exception]] = field(default_factory=dict)  # of recover, tick, finish; one each time
    log: list[str] = field(default_factory=list)

    def does(self, what: str) -> Callable[..., None]:
        def done(*arguments: object) -> None:
            self.log.append(" ".join([what, *map(str, arguments)]))
            if self.errors.get(what):
                raise self.errors[what].pop(0)

        return done

    def run(self, stopping: Callable[[], bool] = lambda: False) -> None:
        query = Supervised("trades", None, self.admit, self.batch, self.does("recover"), self.does("finish"), lambda: "", {})
        query.start = self.start
        self.query = query
        streaming.run(query, self.does("tick"), stopping, lambda: iter([0.0, 0.0, 0.0]))

    def start(self) -> Running:
        self.log.append("start")
        return Running(self.scripts.pop(0), self.log)

    def admit(self, number: int) -> None:
        if number == FULL:
            raise LogIsLong

    def batch(self, _: object, number: int) -> None:
        self.log.append(f"batch {number}")
        if number < 0:
            raise Foreign(f"batch {number}")

    def good(self) -> None:
        self.query._guarded(None, 1)

    def bad(self, number: int = -1) -> None:
        try:
            self.query._guarded(None, number)
        except (Foreign, LogIsLong):
            raise RuntimeError("what Spark makes of it") from None

    def full(self) -> None:
        self.bad(FULL)


def test_until_the_source_is_exhausted():
    life = Life([[False, True]])
    life.run()
    assert life.log == ["start", "tick", "finish", "stop"]


def test_a_stop_that_is_asked_for_closes_nothing():
    life = Life([[False]])
    life.run(stopping=lambda: True)
    assert life.log == ["start", "stop"]


def test_a_stop_between_two_tries_is_heard():
    life = Life([[OSError("a batch")]])
    life.run(stopping=lambda: life.log == ["start", "stop"])
    assert life.log == ["start", "stop"]


def test_a_stop_during_a_recovery_is_heard():
    life = Life([[OSError("a batch")]])
    life.run(stopping=lambda: "recover a batch" in life.log)
    assert life.log == ["start", "stop", "recover a batch"]


def test_a_failed_batch_is_recovered_from_with_its_own_error():
    life = Life([])
    life.scripts = [[life.bad], [True]]
    life.run()
    assert life.log == ["start", "batch -1", "stop", "recover batch -1", "start", "finish", "stop"]


@pytest.mark.parametrize("what", ["tick", "finish"])
def test_what_fails_beside_the_batches_is_recovered_from_too(what: str):
    life = Life([[False, True], [True]], {what: [Foreign("seen by the clock")]})
    life.run()
    failed = ["start", "tick", "stop"] if what == "tick" else ["start", "tick", "finish", "stop"]
    assert life.log == [*failed, "recover seen by the clock", "start", "finish", "stop"]


def test_a_recovery_that_fails_is_tried_again():
    life = Life([[OSError("a batch")], [True]], {"recover": [OSError("a hiccup")]})
    life.run()
    assert life.log == ["start", "stop", "recover a batch", "recover a hiccup", "start", "finish", "stop"]


def test_the_third_failure_in_a_row_ends_it():
    life = Life([[OSError("one")], [OSError("two")], [OSError("three")]])
    with pytest.raises(OSError, match="three"):
        life.run()
    assert life.log == ["start", "stop", "recover one", "start", "stop", "recover two", "start", "stop"]


def test_a_good_batch_in_between_forgives():
    life = Life([])
    life.scripts = [[OSError("one")], [OSError("two")], [life.good, OSError("three")], [True]]
    life.run()
    assert life.log[-4:] == ["recover three", "start", "finish", "stop"]


def test_a_lost_lease_ends_it_at_once():
    life = Life([[False]], {"tick": [LeaseLost("taken")]})
    with pytest.raises(LeaseLost, match="taken"):
        life.run()
    assert life.log == ["start", "tick", "stop"]


def test_a_log_that_has_become_too_long_is_no_failure_however_often():
    life = Life([])
    life.scripts = [[OSError("one")], [OSError("two")], [life.full], [life.full], [True]]
    life.run()
    assert (
        life.log[-9:]
        == [*["recover two", "start", "stop"], *["recover ", "start", "stop"], *["recover ", "start", "finish", "stop"]][-9:]
    )
    assert "batch 7" not in life.log
