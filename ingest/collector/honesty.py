"""Whether a venue's market says over REST what its stream says, and what time it is there; a thread a market.

What is found is an event, and a value for whoever watches.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from ingest.collector.intake import Intake
from ingest.collector.link import World
from ingest.collector.offsets import Offset, best, offset
from ingest.collector.sides import Sample, Stated, Verdict, parsed, stated, verdict
from ingest.drift import Drifts
from ingest.exchanges.exchange import Exchange, History
from ingest.rest.client import Client, Purpose, RestError
from ingest.rest.clients import client
from ingest.rest.findings import Findings
from ingest.settings import Ingest, Repair
from ingest.spool.spool import SpoolError

AGAIN_SECONDS = 60.0  # after a failure, doubling to what is usual
SETTLE_SECONDS = 1.0  # REST may be so far behind the stream
PART = 0.25  # of the repairs' share of the budget: holes are more urgent
LOOK_SECONDS = 0.5
TRIES = 3  # of one question: what is not answered is asked later
CLOCK_SECONDS = 600.0  # the clock of a machine that nobody sets any more loses less than a tenth of a second in that time
CLOCK_TRIES = 3  # the first one may have to connect
_LOG = logging.getLogger(__name__)


@dataclass
class Turn:
    """A stream of trades that is compared from time to time."""

    intake: Intake
    stream: str
    history: History
    at: float  # when the next time
    again: float = 0.0  # the last pause after a failure
    sample: Sample | None = None
    full_at: float | None = None

    @property
    def feed(self) -> str:
        """As people say it."""
        return f"{self.intake.plan.kind} {self.intake.plan.pairs[self.stream]}"


class Checks:
    """One venue's market."""

    def __init__(self, exchange: Exchange, asker: Client, findings: Findings, world: World, repair: Repair) -> None:
        assert exchange.rest is not None
        self._exchange = exchange
        self._rest = exchange.rest
        self._client = asker
        self._findings = findings
        self._clock = world.clock
        self._stop = world.stop
        self._repair = repair
        self._turns: list[Turn] = []
        self._next_opening = 0.0
        self.sides: dict[str, Verdict] = {}  # by feed; the last one of each
        self._next_clock = self._clock_again = 0.0
        self.offset: Offset | None = None  # None: not measured yet, or the venue does not tell its time

    def watch(self, intake: Intake) -> None:
        """Compare the streams of this plan, too, where REST tells the same trades."""
        plan, history = intake.plan, self._rest.histories.get(intake.plan.kind)
        if history is not None and {(plan.kind, "ws"), (plan.kind, "rest")} <= plan.exchange.readings.keys():
            now = self._clock.monotonic()
            self._turns += [Turn(intake, stream, history, now) for stream in plan.pairs]

    def run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self.step()

    def step(self) -> None:
        """Do what is due."""
        if self._clock.monotonic() >= self._next_clock:
            self._next_clock = self._clock.monotonic() + self._measured()
        for turn in list(self._turns):
            now = self._clock.monotonic()
            if turn.sample is None:
                if now >= turn.at and now >= self._next_opening:
                    self._open(turn, now)
            elif turn.full_at is None:
                turn.full_at = now if turn.sample.is_full else None
            elif now - turn.full_at >= SETTLE_SECONDS:
                self._compare(turn, turn.sample)

    def _measured(self) -> float:
        """Measure how far the venue's clock is from ours. Seconds until the next time."""
        name, time = self._exchange.name, self._rest.time
        if time is None:
            return CLOCK_SECONDS
        try:
            bodies = [self._client.ask(*time.request) for _ in range(CLOCK_TRIES)]
            found = best(offset(time.read(orjson.loads(body.raw)), body.recv_ns, body.seconds) for body in bodies)
        except (RestError, TypeError, KeyError, ValueError) as error:  # ValueError: also what is no JSON
            if not self._stop.is_set():
                _LOG.warning("event=clock_not_measured exchange=%r error=%r", name, error)
            self._clock_again = min(CLOCK_SECONDS, self._clock_again * 2 or AGAIN_SECONDS)
            return self._clock_again
        self.offset, self._clock_again = found, 0.0
        level = logging.INFO if found.outcome == "ok" else logging.ERROR
        _LOG.log(level, "event=clock exchange=%r outcome=%s detail=%r", name, found.outcome, str(found))
        self._tell("clock", {"outcome": found.outcome, "detail": str(found)})
        return CLOCK_SECONDS

    def _open(self, turn: Turn, now: float) -> None:
        """Collect the next trades of a stream. Not of all at once: each ends in a question."""
        turn.sample = turn.intake.samples.open(turn.stream, self._exchange.readings[turn.intake.plan.kind, "ws"])
        share = self._rest.budget / self._rest.seconds * self._repair.weight_share * PART
        self._next_opening = now + turn.history.weight / share

    def _compare(self, turn: Turn, sample: Sample) -> None:
        turn.intake.samples.close(turn.stream)
        turn.sample = turn.full_at = None
        told = self._told(turn, sample.trades)
        found = None if told is None else verdict(sample.trades, told)
        usual = self._repair.side_every.total_seconds()
        if found is None:
            turn.again = min(usual, turn.again * 2 or AGAIN_SECONDS)
            turn.at = self._clock.monotonic() + turn.again
            if told is not None:
                _LOG.info("event=side_unknown %s stream=%s again_in=%.0fs", turn.intake.label, turn.stream, turn.again)
            return
        turn.again, turn.at = 0.0, self._clock.monotonic() + usual
        self.sides[turn.feed] = found
        level = logging.INFO if found.outcome == "agrees" else logging.ERROR
        _LOG.log(level, "event=side %s stream=%s outcome=%s detail=%r", turn.intake.label, turn.stream, *found[::2])
        plan, stream = turn.intake.plan, turn.stream
        told_of = {"feed": plan.kind, "stream": stream, **found._asdict()}
        self._tell("side", told_of, plan.pairs[stream])

    def _tell(self, event: str, told: Mapping[str, Any], pair: str | None = None) -> None:
        """One that the spool refuses is logged, and the missing `seq` tells of it: the next one comes soon."""
        try:
            self._findings.tell(self._exchange, event, told, pair=pair)
        except SpoolError as error:
            _LOG.warning("event=lost_event name=%s pair=%s detail=%r", event, pair, str(error))

    def _told(self, turn: Turn, trades: Mapping[int, Stated]) -> Mapping[int, Stated] | None:
        """The same trades as REST tells them, by their ids: the newest may be others by now. None: it could not be asked."""
        plan = turn.intake.plan
        path = turn.history.ask(plan.pairs[turn.stream], min(trades), max(trades))
        try:
            body = self._client.ask(path, turn.history.weight)
        except RestError as error:
            if not self._stop.is_set():
                _LOG.warning("event=side_not_asked %s stream=%s detail=%r", turn.intake.label, turn.stream, str(error))
            return None
        return dict(stated(self._exchange.readings[plan.kind, "rest"], parsed(body.raw)))


class Honesty:
    """What one collector knows of how honest its venues are, and its own clock."""

    def __init__(self, ingest: Ingest, world: World, conn: Callable[[], str]) -> None:
        self._ingest = ingest
        self._world = world
        self._conn = conn
        self._checks: dict[str, Checks] = {}
        self.drifts = Drifts()

    def watch(self, intake: Intake) -> Checks | None:
        """Check this plan, too. The checks of a market that is new, which somebody has to run."""
        plan, is_new = intake.plan, intake.plan.exchange.name not in self._checks
        if plan.exchange.rest is None or not plan.rest:
            return None
        if is_new:
            purpose = Purpose("repair", self._ingest.repair.weight_share, TRIES)  # of that name: it is the repairs' share
            asker = client(self._ingest, plan.exchange, plan.rest, purpose, self._world)
            findings = Findings(intake.spool, self._world.clock, self._conn())
            checks = Checks(plan.exchange, asker, findings, self._world, self._ingest.repair)
            self._checks = {**self._checks, plan.exchange.name: checks}  # others read it at any time
        self._checks[plan.exchange.name].watch(intake)
        return self._checks[plan.exchange.name] if is_new else None

    @property
    def offsets_ms(self) -> Mapping[str, float]:
        """How far each market's clock is ahead of ours, as last measured, such as `binance spot`: 12.5."""
        return {name: one.offset.ms for name, one in self._checks.items() if one.offset is not None}

    @property
    def sides(self) -> Mapping[str, Verdict]:
        """The last comparison of each feed, such as `bitso spot trade BTC-MXN`."""
        return {f"{name} {feed}": found for name, one in self._checks.items() for feed, found in dict(one.sides).items()}
