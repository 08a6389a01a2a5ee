"""The open gaps of one venue's market: REST is asked first, then the published files; each gap's end is an event."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.clock import Clock
from ingest.exchanges.exchange import Exchange
from ingest.plan import dump_hosts, rest_hosts
from ingest.repair.cases import Case, End, end
from ingest.repair.reader import Reader, waited_for_room
from ingest.rest.client import Client, Get, Purpose, RestError
from ingest.rest.clients import client
from ingest.rest.download import Downloads, Fetch
from ingest.rest.findings import Findings
from ingest.rest.past import Past
from ingest.settings import Ingest
from ingest.spool.spool import Spool, SpoolError

if TYPE_CHECKING:
    from ingest.repair.opengaps import OpenGap

AGAIN_SECONDS, AGAIN_CAP = 60.0, 1800.0  # before a gap that is left open is tried again, doubling
SETTLED = ("repaired", "implausible")  # files are not asked after these words of REST
FINAL = ("absent", "too_old", "no_rest")  # and REST not a second time after these
SETTLED_SECONDS = 3600.0  # a gap that was filled stays in the list until the tables have its trades, and somebody has looked
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class World:
    """What repairing needs of the world, so that tests can bring their own."""

    clock: Clock
    get: Get
    fetch: Fetch
    random: Callable[[], float]
    stop: threading.Event  # set: end soon; all waiting is waiting for it


@dataclass
class Tried:
    """A gap that was tried, what became of it, and when to try again."""

    case: Case
    end: End
    at: float  # monotonic
    pause: float


class Market:
    """One venue's market. A thread runs it; anybody may offer gaps and look."""

    def __init__(self, exchange: Exchange, ingest: Ingest, spool: Spool, world: World, conn: str) -> None:
        self._exchange = exchange
        self._ingest = ingest
        self._spool = spool
        self._world = world
        self._stop = world.stop
        self._findings = Findings(spool, world.clock, conn)
        self._news = threading.Event()
        self._offered: Mapping[OpenGap, Case] = {}
        self._told: dict[OpenGap, set[tuple[str, str | None]]] = {}
        self._reader: Reader | None = None
        self.tried: dict[OpenGap, Tried] = {}
        self.rows = 0
        self.files = 0

    def offer(self, cases: Sequence[Case]) -> None:
        """All gaps that are open now, as if nobody had tried."""
        self._offered = {case.gap: case for case in cases}
        self._news.set()

    def run(self, *, once: bool) -> None:
        """Try what is due, again and again; `once`: one time."""
        while not self._stop.is_set():
            due = self._due()
            if due:
                self._try(due)
            if once:
                return
            if not due:
                self._news.wait(1.0)
                self._news.clear()

    @property
    def ends(self) -> Counter[str]:
        """Outcomes of the gaps that are open now, as far as they were tried."""
        tried = (self.tried.get(gap) for gap in self._offered)
        return Counter(one.end.outcome for one in tried if one is not None)

    @property
    def doing(self) -> str:
        """What file is at hand; empty: none."""
        return self._reader.doing if self._reader else ""

    def _due(self) -> Sequence[Case]:
        """What was learned of a gap is kept for the next try; of one that was filled and is told again, nothing counts."""
        now, offered = self._world.clock.monotonic(), self._offered
        for gone in self.tried.keys() - offered.keys():
            del self.tried[gone]
            self._told.pop(gone, None)
        tried = {gap: self.tried.get(gap) for gap in offered}
        due = [(offered[gap], before) for gap, before in tried.items() if before is None or before.at <= now]
        return [new if before is None or before.end.outcome == "repaired" else before.case for new, before in due]

    def _try(self, cases: Sequence[Case]) -> None:
        past = Past(self._client(), self._findings, self._world.clock, self._stop)
        left = []
        for case in cases:
            if not waited_for_room(self._spool, self._stop):
                return
            self._ask(past, case)
            if case.rest and case.rest[0] in SETTLED:
                self._end(case)
            else:
                left.append(case)
        self._read(left)
        for case in left:
            self._end(case)

    def _ask(self, past: Past, case: Case) -> None:
        outcome, detail = case.rest or ("", None)
        if outcome in FINAL:
            return
        if not case.search.hole.is_plausible:
            outcome, detail = "implausible", "too many ids to be believed, or none"
        elif case.window.until is not None:
            outcome, detail = "too_old", "the venue has begun to count anew since"
        else:
            try:
                outcome, detail = past.fill(case.plan, case.stream, case.search)
            except (RestError, SpoolError) as error:
                _LOG.warning("event=repair_failed gap=%r detail=%r", case.gap.label, str(error))
                outcome, detail = "failed", str(error)
        case.turn(outcome, detail)

    def _read(self, cases: Sequence[Case]) -> None:
        """Have the published files searched for what REST had not got."""
        hosts, dumps = dump_hosts(self._ingest, self._exchange), self._exchange.dumps
        if dumps is None or not hosts:
            return
        world = self._world
        folder = files_folder(self._ingest) / f"{self._exchange.venue}-{self._exchange.market}"  # markets share names of files
        folder.mkdir(parents=True, exist_ok=True)
        downloads = Downloads(
            hosts,
            folder,
            most_bytes=self._ingest.spool.max_bytes,
            fetch=world.fetch,
            clock=world.clock,
            random=world.random,
            stop=world.stop,
        )
        reader = self._reader = Reader(downloads, self._findings, world.clock, world.stop)
        groups: dict[object, list[Case]] = {}
        for case in cases:
            groups.setdefault((case.gap.kind, case.gap.pair, case.window), []).append(case)
        for group in groups.values():
            dump = dumps.kinds.get(group[0].gap.kind)
            if dump is None:
                continue
            try:
                reader.fill(group, dump)
            except SpoolError as error:
                _LOG.warning("event=repair_failed gap=%r detail=%r", group[0].gap.label, str(error))
                for case in group:
                    case.rest = "failed", str(error)
        self.files += reader.files

    def _client(self) -> Client | None:
        """A new one each time: an address that said no an hour ago may be asked once more."""
        rest, hosts = self._exchange.rest, rest_hosts(self._ingest, self._exchange)
        if rest is None or not hosts:
            return None
        return client(self._ingest, self._exchange, hosts, Purpose("repair", self._ingest.repair.weight_share), self._world)

    def _end(self, case: Case) -> None:
        found, clock = end(case), self._world.clock
        if self._stop.is_set() and found.outcome != "repaired":
            return  # it was not tried to the end
        try:
            self._tell_all(case, found)
        except SpoolError as error:  # the next try finds what it needs in the case, and has only to tell it
            _LOG.warning("event=repair_failed gap=%r detail=%r", case.gap.label, str(error))
            found = found._replace(outcome="failed", detail=str(error))
        before = self.tried.get(case.gap)
        self.rows += found.rows - (before.end.rows if before and before.case is case else 0)
        pause = min(AGAIN_CAP, before.pause * 2) if before else AGAIN_SECONDS
        seconds = SETTLED_SECONDS if found.outcome == "repaired" else max(pause, case.due_in(clock.wall_ns()))
        self.tried[case.gap] = Tried(case, found, clock.monotonic() + seconds, pause)

    def _tell_all(self, case: Case, found: End) -> None:
        if not self._spool.sync():  # no power failure may take the trades and leave the word that they are there
            raise SpoolError("the disk refuses what was found")
        for wrong in case.wrong:  # whoever wonders later why a file was not used finds it
            if wrong.outcome != found.outcome:
                self._tell(case, End(wrong.outcome, 0, wrong.detail, "dump"))
        self._tell(case, found)
        case.wrong.clear()

    def _tell(self, case: Case, found: End) -> None:
        """Each end of a gap once: a file that is late is asked for many times."""
        told = self._told.setdefault(case.gap, set())
        if (found.outcome, found.detail) not in told:
            self._findings.end(case.plan, case.stream, found.source, case.told(found), feed=case.gap.feed)
            told.add((found.outcome, found.detail))


def files_folder(ingest: Ingest) -> Path:
    """Where files are while they are read. What stands there when nobody reads is of a process that was killed."""
    return ingest.spool.path / "repair" / "files"
