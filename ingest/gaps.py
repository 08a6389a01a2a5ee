"""What is missing, as the collector sees it: each hole becomes an event and a task for the repair of its venue's market."""

import itertools
from collections.abc import Callable, Sequence
from functools import partial

from ingest.budget import Budget
from ingest.continuity import Hole
from ingest.exchanges.exchange import Exchange
from ingest.journal import Journal
from ingest.link import Link, World
from ingest.repairs import Repairs, Task
from ingest.rest import Client, Purpose
from ingest.settings import Ingest
from ingest.spool import Spool


class Gaps:
    """The links of one collector, and the repairs of each venue's market."""

    def __init__(self, ingest: Ingest, links: Sequence[Link], spool: Spool, world: World, conn: Callable[[], str]) -> None:
        self._ingest = ingest
        self._spool = spool
        self._world = world
        self._links = [(link, Journal(link.plan, conn(), link.continuity.feeds)) for link in links]
        self.repairs: dict[str, Repairs] = {}
        self.found = 0
        for link in links:
            name = link.plan.exchange.name
            if name not in self.repairs:
                self.repairs[name] = self._repairs_of(link.plan.exchange, link.plan.rest, conn())
        for link in links:
            for stream, known in link.continuity.feeds.items():
                for hole in known.holes:
                    if hole.is_told:  # by the process before this one, which did not come to repair it
                        self._add(link, stream, hole)

    def look(self) -> None:
        """Tell of holes that have become due, and have them repaired."""
        for link, journal in self._links:
            for stream, hole in link.holes(journal):
                self.found += 1
                self._add(link, stream, hole)

    @property
    def waiting(self) -> int:
        """Holes that are not dealt with."""
        return sum(repairs.waiting for repairs in self.repairs.values())

    def _add(self, link: Link, stream: str, hole: Hole) -> None:
        self.repairs[link.plan.exchange.name].add(Task(link.plan, stream, hole, partial(link.close, stream, hole)))

    def _repairs_of(self, exchange: Exchange, hosts: Sequence[str], conn: str) -> Repairs:
        world, rest = self._world, exchange.rest
        client = None
        if rest is not None and hosts:
            path = self._ingest.limits.path / f"{exchange.venue}-{exchange.market}.json"
            budget = Budget(path, rest.budget, rest.seconds)
            purpose = Purpose("repair", self._ingest.repair.weight_share)
            client = Client(rest, hosts, budget, purpose, get=world.get, clock=world.clock, random=world.random, stop=world.stop)
        return Repairs(client, self._spool, world.clock, world.stop, conn)


def numbered(run: str) -> Callable[[], str]:
    """Names for the connections of a run."""
    numbers = itertools.count(1)
    return lambda: f"{run}-{next(numbers)}"
