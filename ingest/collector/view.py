"""What can be seen of a run: its vitals, how far it is, and the books that it has."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ingest.clock import Clock
from ingest.collector.gaps import Gaps
from ingest.collector.honesty import Honesty
from ingest.collector.link import Link
from ingest.collector.repairs import RepairCounts
from ingest.exchanges.exchange import Exchange
from ingest.rest.budget import budget
from ingest.rest.poller import Poller
from ingest.settings import Ingest
from ingest.spool.keeper import Keeper
from ingest.watch.spreads import Book
from ingest.watch.vitals import MarketVitals, Vitals


@dataclass(frozen=True)
class Progress:
    """How far a run is, or how far it came."""

    seconds: float
    frames: int
    trades: int
    connected: int
    connections: int  # that should be
    reconnects: int
    objects: int
    landed_bytes: int
    spool_bytes: int
    waiting: int  # sealed segments that have not landed
    lost: int  # lines that the spool refused
    polls: int  # answers that are in the spool
    gaps: int  # holes found
    holes: int  # of these and of former runs' that are not dealt with
    failures: Sequence[str]

    @property
    def is_good(self) -> bool:
        """Whether everything that was received has landed, and nothing was given up."""
        return not (self.failures or self.waiting or self.lost)


@dataclass(frozen=True)
class View:
    """One run's, and what it consists of."""

    ingest: Ingest
    run: str
    clock: Clock
    began: float
    keeper: Keeper
    gaps: Gaps
    honesty: Honesty
    pollers: Sequence[Poller]
    links: Callable[[], Sequence[Link]]  # that there are by now
    faults: Sequence[str]

    @property
    def seconds(self) -> float:
        """That it has run."""
        return self.clock.monotonic() - self.began

    def books(self) -> Sequence[Book]:
        """The newest of each stream and of each poll."""
        streamed = [book for link in self.links() for book in link.intake.books()]
        asked = [book for poller in self.pollers for book in poller.books()]
        return [*streamed, *asked]

    def vitals(self) -> Vitals:
        """How it is."""
        links = self.links()
        found = [link.intake.vitals(self.ingest.silence, can_ask=self.gaps.can_ask(link)) for link in links]
        used = [link.intake.plan.exchange for link in links] + [poller.exchange for poller in self.pollers]
        exchanges = {exchange.name: exchange for exchange in used}.values()
        sides = self.honesty.sides.items()
        return Vitals(
            collector=self.ingest.collector,
            run=self.run,
            pid=os.getpid(),
            at_ns=self.clock.wall_ns(),
            seconds=self.seconds,
            feeds=tuple(feed for _, feeds in found for feed in feeds),
            links=tuple(link for link, _ in found),
            markets=tuple(self._market(exchange) for exchange in exchanges),
            spool=self.keeper.vitals(),
            gaps=self.gaps.found,
            faults=tuple(self.faults),
            drifts=dict(self.honesty.drifts.counts),
            sides={feed: verdict.detail or "" for feed, verdict in sides if verdict.outcome == "differs"},
        )

    def progress(self) -> Progress:
        """How far it is."""
        links, landed, spool = [link.intake.counts for link in self.links()], self.keeper.uploader.landed, self.keeper.spool
        return Progress(
            seconds=self.seconds,
            frames=sum(link.frames for link in links),
            trades=sum(link.trades for link in links),
            connected=sum(link.is_connected for link in links),
            connections=len(links),
            reconnects=sum(max(0, link.connections - 1) for link in links),
            objects=landed.objects,
            landed_bytes=landed.bytes,
            spool_bytes=spool.bytes,
            waiting=len(spool.sealed()),
            lost=sum(link.lost for link in links),
            gaps=self.gaps.found,
            polls=sum(poller.counts.asked - poller.counts.failed for poller in self.pollers),
            holes=self.gaps.waiting,
            failures=[*self.faults, *landed.conflicts, *(link.given_up for link in links if link.given_up)],
        )

    def _market(self, exchange: Exchange) -> MarketVitals:
        repairs = self.gaps.repairs.get(exchange.name)
        counts = repairs.counts if repairs else RepairCounts()
        pollers = [poller for poller in self.pollers if poller.exchange.name == exchange.name]
        polls = [poller.counts for poller in pollers]
        rest = exchange.rest
        return MarketVitals(
            venue=exchange.venue,
            market=exchange.market,
            waiting=repairs.waiting if repairs else 0,
            stuck=repairs.stuck if repairs else 0,
            repaired=counts.repaired,
            left=counts.left,
            failed=counts.failed,
            rows=counts.rows,
            polls=sum(one.asked for one in polls),
            polls_failed=sum(one.failed for one in polls),
            polls_late=sum(one.late for one in polls),
            polls_failing=tuple(sorted(name for poller in pollers for name in poller.failing)),
            weight_used=budget(self.ingest.limits.path, exchange).used(self.clock.monotonic()) if rest else 0.0,
            weight_limit=rest.budget if rest else 0.0,
            clock_ms=self.honesty.offsets_ms.get(exchange.name),
        )
