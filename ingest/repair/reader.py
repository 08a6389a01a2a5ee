"""Fills gaps from published files: each file is fetched and read once for all gaps that may find something in it."""

import logging
import threading
from bisect import bisect_right
from collections.abc import Iterable, Sequence

from ingest.clock import Clock
from ingest.envelope import Origin, head, line
from ingest.exchanges.exchange import Dump, Page
from ingest.packed import UnreadableError
from ingest.repair.cases import Case, Window
from ingest.rest.download import Downloads, File, Refusal
from ingest.rest.findings import Findings
from ingest.rest.parts import Part, daily, monthly
from ingest.rest.rows import Row, check, raw, rows
from ingest.rest.search import Span
from ingest.spool.spool import Spool

BATCH = 2000  # rows that are in memory at a time
FULL_SECONDS = 5.0  # how often we look whether there is room in the spool again
NOTHING = Page((), 0, -1)  # a page that proves nothing
_LOG = logging.getLogger(__name__)


class Reader:
    """The files of one venue's market."""

    def __init__(self, downloads: Downloads, findings: Findings, clock: Clock, stop: threading.Event) -> None:
        self._downloads = downloads
        self._findings = findings
        self._clock = clock
        self._stop = stop
        self.files = 0  # that were read
        self.doing = ""

    def fill(self, cases: Sequence[Case], dump: Dump) -> None:
        """Look for what is left of these gaps of one pair, kind and epoch: by days, by days once more, by months."""
        pair = cases[0].gap.pair
        self._read_all(cases, dump, [daily(dump, pair, day) for case in cases for day in case.open_days])
        wrong = [part for case in cases for part, why in case.refusals.items() if why.outcome == "checksum"]
        self._read_all(cases, dump, wrong)  # it may have been replaced while we fetched it
        self._read_all(cases, dump, [monthly(dump, pair, day) for case in cases for day in case.open_days])

    def _read_all(self, cases: Sequence[Case], dump: Dump, parts: Iterable[Part]) -> None:
        for part in dict.fromkeys(parts):
            wanting = [case for case in cases if any(part.has(day) for day in case.open_days)]
            if not wanting or self._stop.is_set():
                continue
            refusal = self._read(part, dump, wanting)
            for case in wanting:
                case.refusals.pop(part, None)
                if refusal is not None:
                    case.refusals[part] = refusal
                    if refusal.outcome in ("checksum", "unreadable"):
                        case.wrong.append(refusal)

    def _read(self, part: Part, dump: Dump, cases: Sequence[Case]) -> Refusal | None:
        if self._clock.wall_ns() < part.due.timestamp() * 1e9:
            return Refusal("not_published", f"{part.name} is not published before {part.due:%Y-%m-%dT%H:%MZ}")
        self.doing = part.name
        found = self._downloads.file(part.path)
        if isinstance(found, Refusal):
            _LOG.warning("event=no_file file=%s outcome=%s detail=%r", part.name, found.outcome, found.detail)
            return found
        try:
            check(found.path)
            span = self._landed(found, dump, cases)
        except UnreadableError as error:
            _LOG.error("event=unreadable_file file=%s sha256=%s detail=%r", found.name, found.sha256, str(error))
            return Refusal("unreadable", f"{error} (sha256 {found.sha256})")
        finally:
            found.path.unlink(missing_ok=True)
            self.doing = ""
        if self._stop.is_set():
            return Refusal("failed", "told to stop")
        self.files += 1
        for case in cases:
            case.learn(part, span, found.sha256)
        return None

    def _landed(self, file: File, dump: Dump, cases: Sequence[Case]) -> Span | None:
        """Keep the rows that are in the gaps. Least and greatest id of the whole file."""
        plan, window = cases[0].plan, cases[0].window
        exchange, pair = plan.exchange, cases[0].gap.pair
        origin = Origin(
            exchange.venue, exchange.market, plan.channel, plan.kind, pair, file.name, "dump", f"file-{file.sha256[:12]}"
        )
        front, lines, ids = head(origin), list[bytes](), list[int]()
        wanted = _Wanted(span for case in cases for span in case.search.left)
        low, high = None, -1
        for row in rows(file.path, dump):
            number = row.number
            if window != _ALWAYS and not window.has(_milliseconds(row, dump)):
                continue
            low, high = number if low is None or number < low else low, max(high, number)
            if not wanted.has(number):
                continue
            text = raw(row, dump)
            if text is None:
                _LOG.warning("event=odd_row file=%s line=%d text=%r", file.name, row.line, row.text[:100])
                continue
            lines.append(line(front, row.line, file.recv_ns, text, is_json=True))
            ids.append(number)
            if len(lines) >= BATCH:
                if not self._keep(file, cases, lines, ids):
                    return None
                lines, ids = [], []
        self._keep(file, cases, lines, ids)
        return None if low is None else (low, high)

    def _keep(self, file: File, cases: Sequence[Case], lines: Sequence[bytes], ids: Sequence[int]) -> bool:
        """False: we are to stop. Nothing counts as found before it is in the spool."""
        if not waited_for_room(self._findings.spool, self._stop):
            return False
        if lines:
            self._findings.rows(cases[0].plan, file.recv_ns, lines)
        for case in cases:
            case.search.take(NOTHING._replace(ids=ids))
        return True


def waited_for_room(spool: Spool, stop: threading.Event) -> bool:
    """Whether there is room in the spool, at last; False: we are to stop."""
    while spool.is_full and not stop.wait(FULL_SECONDS):
        _LOG.warning("event=spool_full detail=waiting bytes=%d", spool.bytes)
    return not stop.is_set()


class _Wanted:
    """Ids that are looked for, whoever looks for them."""

    def __init__(self, spans: Iterable[Span]) -> None:
        joined: list[Span] = []
        for low, high in sorted(spans):
            if joined and low <= joined[-1][1] + 1:
                joined[-1] = joined[-1][0], max(joined[-1][1], high)
            else:
                joined.append((low, high))
        self._lows = [low for low, _ in joined]
        self._highs = [high for _, high in joined]

    def has(self, number: int) -> bool:
        place = bisect_right(self._lows, number) - 1
        return place >= 0 and number <= self._highs[place]


_ALWAYS = Window()


def _milliseconds(row: Row, dump: Dump) -> int:
    """When it was traded; -1 where the row does not tell."""
    values = row.text.split(b",")
    place = dump.fields.index(dump.time)
    text = values[place] if place < len(values) else b""
    if not text.isdigit():
        return -1
    return int(text) // 1000 if len(text) >= 16 else int(text)  # noqa: PLR2004 - so many digits have microseconds
