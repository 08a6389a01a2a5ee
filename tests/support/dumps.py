"""Published files: made of the simulated market's trades, and served on this machine by a server that is not ours."""

import hashlib
import io
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

from ingest.exchanges import find_exchange
from ingest.simulator.listings import Series
from ingest.simulator.market import market
from ingest.simulator.wire import Trade

SEED = 7
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# written out here, and not by way of the exchange's value
NAMES = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"


def microseconds(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


def traded(name: tuple[str, str, str, str], start: datetime, minutes: int, seed: int = SEED) -> list[Trade]:
    """The trades of a feed (venue, market, kind, pair) in these minutes of the simulated market."""
    venue, market_, kind, pair = name
    feed = find_exchange(venue, market_).feeds[kind]
    wanted = Series(venue, market_, kind, pair, feed.stream(pair))
    begin = microseconds(start)
    frames = market(seed, begin, begin + minutes * 60_000_000, wanted=lambda series: series == wanted)
    return [trade for frame in frames for trade in frame.trades]


def spot_csv(trades: Iterable[Trade]) -> str:
    """Aggregates as Binance spot publishes them: no names, microseconds, True and False."""
    return "".join(
        f"{t.trade_id},{t.price},{t.quantity},{t.first_id},{t.last_id},{t.ts},{t.taker_side == 'sell'},True\n" for t in trades
    )


def usdm_csv(trades: Iterable[Trade], names: str = NAMES) -> str:
    """Aggregates as Binance USD-M publishes them: names, milliseconds, true and false."""
    rows = (
        f"{t.trade_id},{t.price},{t.quantity},{t.first_id},{t.last_id},{t.ts // 1000},{str(t.taker_side == 'sell').lower()}\n"
        for t in trades
    )
    return names + "".join(rows)


def zipped(name: str, text: str | bytes) -> bytes:
    """One CSV in a zip."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
    return packed.getvalue()


def sidecar(name: str, data: bytes) -> bytes:
    return f"{hashlib.sha256(data).hexdigest()}  {name}\n".encode()


Fault = (
    int | Callable[["Site"], None]
)  # an answer's status; or so many bytes, negative, and then the line is cut; or what happens


@dataclass
class Site:
    """What is published, by path, and what goes wrong before it is served."""

    address: str = ""
    there: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)  # path, range
    knows_ranges: bool = True
    knows_versions: bool = True  # else it goes on with whatever it has now
    page: int = 1000  # keys in a page of the listing
    listed: bytes | None = None  # in the place of any listing

    def publish(self, path: str, data: bytes, told: bytes | None = None) -> bytes:
        """A file and its checksum."""
        self.there[path] = data
        self.there[f"{path}.CHECKSUM"] = sidecar(path.rpartition("/")[2], data) if told is None else told
        return data

    def publish_csv(self, path: str, text: str) -> bytes:
        return self.publish(path, zipped(path.rpartition("/")[2].replace(".zip", ".csv"), text))

    def fault(self, path: str) -> int:
        """What goes wrong this time; of all questions for a listing, the path is `/?`."""
        faults = self.faults.get("/?" if path.startswith("/?") else path, [])
        fault = faults.pop(0) if faults else 0
        if callable(fault):
            fault(self)
            return 0
        return fault

    def listing(self, query: Mapping[str, str]) -> bytes:
        """What is below a folder, as S3 tells it: keys, and folders if it is to stop at these, in one order, so many a page."""
        if self.listed is not None:
            return self.listed
        prefix, marker = query["prefix"], query.get("marker", "")
        below = {path[1:].removeprefix(prefix) for path in self.there if path[1:].startswith(prefix)}
        cut = query.get("delimiter") or "\n"
        names = sorted({prefix + name.partition(cut)[0] + (cut if cut in name else "") for name in below})
        names = [name for name in names if name > marker]
        page = names[: self.page]
        told = [
            f"<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>"
            if name.endswith("/")
            else f"<Contents><Key>{name}</Key><Size>{len(self.there['/' + name])}</Size></Contents>"
            for name in page
        ]
        more = f"<IsTruncated>true</IsTruncated><NextMarker>{page[-1]}</NextMarker>" if len(names) > len(page) else ""
        name_space = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
        return f"<ListBucketResult {name_space}><Prefix>{prefix}</Prefix>{more}{''.join(told)}</ListBucketResult>".encode()

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


@contextmanager
def site(there: Mapping[str, bytes] | None = None) -> Iterator[Site]:
    """Serve on 127.0.0.1 until the block ends."""
    found = Site(there=dict(there or {}))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            found.asked.append((self.path, wanted))
            fault = found.fault(self.path)
            if self.path.startswith("/?") and fault <= 0:
                self._say(200, found.listing(dict(parse_qsl(self.path[2:]))))
                return
            if fault > 0 or self.path not in found.there:
                self._say(fault or 404, b"no")
                return
            data = found.there[self.path]
            etag = f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
            begin = 0
            if found.knows_ranges and wanted and (self.headers.get("If-Range") == etag or not found.knows_versions):
                begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
            place = f"bytes {begin}-{len(data) - 1}/{len(data)}" if begin else ""
            self._say(206 if begin else 200, data[begin:], etag=etag, place=place, cut=-fault)

        def _say(self, status: int, body: bytes, *, etag: str = "", place: str = "", cut: int = 0) -> None:
            self.send_response(status)
            if place:
                self.send_header("Content-Range", place)
            self.send_header("Content-Length", str(len(body)))
            if etag:
                self.send_header("ETag", etag)
            self.end_headers()
            self.wfile.write(body[:cut] if cut else body)
            if cut:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
