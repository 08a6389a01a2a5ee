"""What is missing, as the collector sees it: each hole becomes an event and a task for the repair of its venue's market."""

from collections.abc import Callable, Sequence
from functools import partial

from ingest.collector.intake import Intake
from ingest.collector.link import Link, World
from ingest.collector.repairs import Audit, Doubt, Repairs, Snapshot, Task
from ingest.continuity import GRACE_SECONDS, Hole
from ingest.exchanges.exchange import Exchange, Seen
from ingest.journal import Journal
from ingest.rest.client import Purpose
from ingest.rest.clients import client
from ingest.settings import Ingest
from ingest.spool.spool import Spool


class Gaps:
    """The links of one collector, and the repairs of each venue's market."""

    def __init__(self, ingest: Ingest, spool: Spool, world: World, conn: Callable[[], str]) -> None:
        self._ingest = ingest
        self._spool = spool
        self._world = world
        self._conn = conn
        self._links: list[tuple[Link, Journal]] = []
        self.repairs: dict[str, Repairs] = {}
        self.found = 0
        self._next_audit = world.clock.monotonic() + ingest.repair.audit_every.total_seconds()
        self._begun: dict[Intake, int] = {}  # at which of its connections the books of an intake were asked for

    def watch(self, link: Link) -> Repairs:
        """Look after this link, too. The repairs of its market, which somebody has to run."""
        intake, plan = link.intake, link.intake.plan
        if plan.exchange.name not in self.repairs:
            self.repairs[plan.exchange.name] = self._repairs_of(plan.exchange, plan.rest, self._conn())
        for stream, known in intake.continuity.feeds.items():
            for hole in known.holes:
                if hole.is_told:  # by the process before this one, which did not come to repair it
                    self._add(intake, stream, hole)
        self._links.append((link, Journal(plan, self._conn(), intake.continuity.feeds)))
        return self.repairs[plan.exchange.name]

    def look(self) -> None:
        """Tell of holes that have become due, and have them repaired; ask about streams that are silent."""
        now = self._world.clock.monotonic()
        if now >= self._next_audit:
            self._next_audit = now + self._audit()
        for link, journal in self._links:
            intake, repairs = link.intake, self.repairs[link.intake.plan.exchange.name]
            for stream, hole in intake.holes(journal):
                self.found += 1
                self._add(intake, stream, hole)
            if not intake.counts.is_connected:
                self._ask_meanwhile(link)
                continue
            self._begin(intake, repairs)
            can_ask = self.can_ask(link)
            for stream in intake.odd(self._ingest.silence, can_ask=can_ask):
                if can_ask:
                    asked = link, journal, stream
                    doubt = Doubt(intake.plan, stream, partial(self._answer, *asked), partial(self._unanswered, *asked))
                    repairs.add(doubt)
                else:
                    intake.mute(journal, stream, None)
                    link.replace()

    def can_ask(self, link: Link) -> bool:
        """Whether the venue can be asked for the newest frames of this link's streams."""
        plan = link.intake.plan
        rest = plan.exchange.rest
        return rest is not None and plan.kind in rest.histories and self.repairs[plan.exchange.name].can_ask

    @property
    def waiting(self) -> int:
        """Holes that are not dealt with."""
        return sum(repairs.waiting for repairs in self.repairs.values())

    def _begin(self, intake: Intake, repairs: Repairs) -> None:
        """Changes of a book are worth nothing without the book that they begin with, which REST alone tells where ids are dense."""
        plan, count = intake.plan, intake.counts.connections
        if plan.kind != "book_diff" or not plan.feed.dense or not repairs.can_ask or self._begun.get(intake) == count:
            return
        self._begun[intake] = count
        for stream in plan.pairs:
            repairs.add(Snapshot(plan, stream))

    def _audit(self) -> float:
        """Have the feeds compared whose ids are not dense. Seconds until the next time: audits take half of the repairs' share."""
        seconds = self._ingest.repair.audit_every.total_seconds()
        for link, _ in self._links:
            intake, rest = link.intake, link.intake.plan.exchange.rest
            repairs = self.repairs[intake.plan.exchange.name]
            if rest is None or not self.can_ask(link):
                continue
            for stream in intake.plan.pairs:
                if intake.unaudited(stream):
                    repairs.add(Audit(intake.plan, stream, partial(intake.unaudited, stream), partial(intake.compare, stream)))
            if not intake.plan.feed.dense:
                weight = rest.histories[intake.plan.kind].weight * len(intake.plan.pairs)
                share = rest.budget / rest.seconds * self._ingest.repair.weight_share / 2
                seconds = max(seconds, weight / share)
        return seconds

    def _answer(self, link: Link, journal: Journal, stream: str, newest: Seen) -> None:
        """The venue was asked about a silent stream."""
        intake, known = link.intake, link.intake.continuity.feeds[stream]
        self._world.stop.wait(GRACE_SECONDS)  # REST may be ahead of the stream for a moment
        with intake.lock:
            if known.last_id is None:
                intake.continuity.begin(known, newest)
            is_ahead = newest.last_id is not None and known.last_id is not None and newest.last_id > known.last_id
        if not is_ahead:
            return  # a quiet market, or one that has spoken since
        link.intake.mute(journal, stream, newest)
        link.replace()

    def _ask_meanwhile(self, link: Link) -> None:
        """No connection is to be had. As long as the venue answers over REST, what it trades is fetched from there."""
        intake = link.intake
        if not self.can_ask(link):
            return
        for stream in intake.odd(self._ingest.silence, can_ask=True):
            doubt = Doubt(intake.plan, stream, partial(intake.catch_up, stream), lambda: None)
            self.repairs[intake.plan.exchange.name].add(doubt)

    def _unanswered(self, link: Link, journal: Journal, stream: str) -> None:
        """The venue could not be asked about a silent stream: a silence beyond what is usual is enough."""
        intake = link.intake
        if intake.is_beyond_usual(stream, self._ingest.silence):
            intake.mute(journal, stream, None)
            link.replace()

    def _add(self, intake: Intake, stream: str, hole: Hole) -> None:
        task = Task(intake.plan, stream, hole, partial(intake.close, stream, hole))
        self.repairs[intake.plan.exchange.name].add(task)

    def _repairs_of(self, exchange: Exchange, hosts: Sequence[str], conn: str) -> Repairs:
        world, purpose = self._world, Purpose("repair", self._ingest.repair.weight_share)
        asker = client(self._ingest, exchange, hosts, purpose, world) if exchange.rest and hosts else None
        return Repairs(asker, self._spool, world.clock, world.stop, conn)
