"""What an exchange is: a value. One file an exchange, one line in the registry; nothing here does IO or reads a clock."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Literal, NamedTuple

Source = Literal["ws", "rest", "dump", "adopted"]
Period = Literal["daily", "monthly"]
TimeUnit = Literal["epoch", "iso"]  # epoch: milliseconds or microseconds, told apart by the number of digits


class Seen(NamedTuple):
    """What a frame is, as far as the socket side needs to know. `stream` is the name under which it was subscribed.

    One is made of every frame that arrives: a tuple takes a third of the time of a frozen dataclass.
    """

    kind: str  # trade, agg_trade, …; control: the venue talks about the connection; unknown: belongs to nothing known
    stream: str | None = None
    first_id: int | None = None  # least and greatest id of the feed's own ids in the frame
    last_id: int | None = None
    event_ms: int | None = None  # the exchange's own time
    error: str | None = None  # the venue refused something; its words
    first_trade: int | None = None  # of an aggregate, where the market numbers its trades without holes
    last_trade: int | None = None
    is_end: bool = False  # the venue says that it will close the connection
    about: str | None = None  # a control frame tells the `last_id` that was sent on this stream


@dataclass(frozen=True)
class Reading:
    """Where the columns of a trade stand in a raw text of one kind and one source; data, so that Spark can obey it.

    Paths are dotted. `buy` and `sell` are compared with the lower-cased text: a dump writes True where a frame has true.

    `items` is the path of the array that holds the trades ("" for a text that is the array itself); None: the text is one trade.
    With `items`, the other paths start at the array's element.
    """

    trade_id: str
    price: str
    quantity: str
    time: str
    taker: str
    buy: str  # the value of `taker` that means: the taker bought
    sell: str
    time_unit: TimeUnit = "epoch"
    items: str | None = None
    first_id: str | None = None
    last_id: str | None = None
    event_time: str | None = None  # always read from the top of the text, never from the array's element
    order_type: str | None = None  # a fill is of the market only where this path says `MARKET`


@dataclass(frozen=True)
class Feed:
    """One kind of live stream that this exchange offers."""

    kind: str
    channel: str  # of the landing zone
    stream: Callable[[str], str]  # pair -> the name under which it is subscribed
    dense: bool  # are ids dense, so that a missing id is a missing frame or trade?
    ordered: bool = True  # do ids tell an order at all? False: nothing can be missed but time
    also: Mapping[str, str] = field(default_factory=dict)  # kinds that come down the same stream -> their channels
    variants: Mapping[str, "Feed"] = field(default_factory=dict)  # by depth or width: the same kind otherwise
    counts_trades: bool = False  # does last_id - first_id + 1 count the exchange's trades in an aggregate?


@dataclass(frozen=True)
class Fields:
    """Which fields an object within a frame has, as the venue documents them."""

    path: str  # where it stands: dotted, `[]` for each element of an array; "" is the frame itself
    required: frozenset[str]
    optional: frozenset[str] = frozenset()


Shape = Sequence[Fields]  # of a frame: the outer objects first


def fields(path: str, required: str, optional: str = "") -> Fields:
    """Fields by their names, with spaces between them."""
    return Fields(path, frozenset(required.split()), frozenset(optional.split()))


@dataclass(frozen=True)
class Limits:
    """What the venue allows a client; exceed none of them."""

    streams_per_connection: int
    messages_per_second: float  # that we send, control frames included
    connections_per_5_minutes: int
    connection_hours: float | None  # the venue ends a connection after this long; None: it does not say
    ping_seconds: float | None  # the venue's own ping; None: it sends none, so we do
    frame_bytes: int = 16_000_000


@dataclass(frozen=True)
class Top:
    """Where the best prices of a book stand in a text of one kind and one source. Paths are dotted.

    `price` is the place of the price in a level: a number of a list or the name of a field; None: the paths lead to prices.
    """

    bids: str
    asks: str
    price: int | str | None = 0


@dataclass(frozen=True)
class BookReading:
    """Where the columns of an order book stand in a raw text of one source; data, so that Spark can obey it.

    Levels are lists or objects; `quantity` is a place in one, as `top.price` is. What was asked for (limit, depth, level, aggregate)
    stands in the stream's name; `level` and `levels` hold where it does not.
    """

    top: Top
    quantity: int | str = 1
    sequence: str | None = None
    time: str | None = None
    time_unit: TimeUnit = "epoch"
    level: int = 2  # 1 the best price, 2 a sum a price, 3 each order
    levels: int | None = None


@dataclass(frozen=True)
class CandleReading:
    """Where the columns of a candle stand in a raw text of one source; data, so that Spark can obey it.

    A place is a dotted path, or a number where candles are lists. `items`: the text is an array of candles; else it is one.
    """

    open_time: str | int
    open: str | int
    high: str | int
    low: str | int
    close: str | int
    volume: str | int
    close_time: str | int
    quote_volume: str | int
    trades: str | int
    taker_buy_volume: str | int
    taker_buy_quote_volume: str | int
    first_id: str | None = None
    last_id: str | None = None
    width: str | None = None  # None: the stream's name tells, as `interval=1m` in a query
    is_closed: str | None = None  # None: it is where its close time lies before the answer
    items: bool = False


@dataclass(frozen=True)
class InstrumentReading:
    """Where the columns of an instrument stand in an element of a venue's list; data, so that Spark can obey it. None: it does not say.

    A number may stand in one of the element's `filters`: (name of the filter, field), the first of several that is there.
    """

    items: str  # path of the array; "": the text is one
    symbol: str
    status: str | None = None
    base: str | None = None  # None: what stands before the underscore of the symbol
    quote: str | None = None  # None: what stands after it
    contract: str | None = None  # another one than PERPETUAL has no pair
    tick_size: str | Sequence[tuple[str, str]] | None = None
    lot_size: str | Sequence[tuple[str, str]] | None = None
    min_notional: str | Sequence[tuple[str, str]] | None = None
    listed_at: str | None = None  # milliseconds


class Page(NamedTuple):
    """What a response holds, and of which ids it proves that there are no others."""

    ids: Sequence[int]
    low: int
    high: int
    last_ms: int | None = None  # of the newest trade in it


class Told(NamedTuple):
    """A trade in a response."""

    number: int  # its id
    ms: int  # when it was traded


@dataclass(frozen=True)
class Upwards:
    """How everything that was ever traded is asked for, from the oldest trade to the newest."""

    ask: Callable[[str, int, int, int], str]  # pair, least and greatest id, how many trades at most -> path and query
    read: Callable[
        [Any], Sequence[Told]
    ]  # the parsed body, in any order, perhaps with trades beyond those ids; raises where it is none
    page: int  # trades in a response at most; where ids are dense, ask for no more ids at a time


@dataclass(frozen=True)
class History:
    """How trades of the past are asked for over REST, page by page."""

    ask: Callable[[str, int, int], str]  # pair, least and greatest id wanted -> path and query of the page that helps most
    read: Callable[[Any, int, int], Page]  # the parsed body of the answer to that; raises where it is not one
    latest: Callable[[str], str]  # pair -> path and query of the newest trades
    weight: int
    reach: timedelta | None = None  # older ones are refused; None: all there ever were
    upwards: Upwards | None = None  # None: its past is in published files


class Request(NamedTuple):
    """A question over REST."""

    path: str  # and query, below the host
    weight: int


class Depth(NamedTuple):
    """How much of an order book is wanted; None: as the venue gives it unasked."""

    depth: int | None = None  # levels on each side
    level: int | None = None  # 1 the best, 2 a sum a price, 3 each order
    aggregate: bool | None = None  # a sum a price, or each order


_UNASKED = Depth()


@dataclass(frozen=True)
class Candles:
    """How candles are asked for, page by page upwards."""

    widths: Sequence[str]
    ask: Callable[[str, str, int | None], Request]  # pair, width, open time in ms of the first one wanted (None: the newest)
    last: Callable[[Any], int | None]  # the parsed body -> open time of its newest candle in ms
    page: int  # candles in a response at most


@dataclass(frozen=True)
class Instruments:
    """How the venue tells what it trades."""

    request: Request
    symbols: Callable[[Any], Sequence[str]]  # the parsed body -> what can be traded now


@dataclass(frozen=True)
class Time:
    """How the venue tells what time it is."""

    request: Request
    read: Callable[[Any], int]  # the parsed body -> microseconds since 1970; raises where it does not tell


@dataclass(frozen=True)
class Rest:
    """The venue's REST half."""

    hosts: Sequence[str]  # base addresses, https://…; the first one is tried first
    budget: int  # weight that an address may spend …
    seconds: float  # … in so long
    histories: Mapping[str, History]  # kind -> how to ask
    book: Callable[[str, Depth], Request] | None = None  # ValueError: that depth is not to be had; says which is
    resync: Depth = _UNASKED  # the book from which changes go on
    instruments: Instruments | None = None
    candles: Candles | None = None
    time: Time | None = None  # None: it does not tell
    used_header: str | None = None  # of a response: the weight that was spent


@dataclass(frozen=True)
class Dump:
    """Published files of one kind: a zip a day and one a month, a CSV in each, and beside each its sha256 at `<path>.CHECKSUM`."""

    dataset: str  # what the venue calls the kind
    symbols: Callable[[Period], str]  # path of the folder that has one of each symbol
    daily: Callable[[str, date], str]  # pair, day -> path
    monthly: Callable[[str, date], str]  # pair, a day of the month -> path
    fields: Sequence[str]  # the columns in their order, under the names that REST gives them where it does; ids stand first
    time: str  # which of the fields tells when it was traded; milliseconds or microseconds, told apart by their digits
    header: Sequence[str] = ()  # the columns' names, where a file begins with them; (): none is known to
    has_days: bool = True  # or are there files of months alone?


@dataclass(frozen=True)
class Dumps:
    """What the venue publishes as files: of a day on the next one, of a month in the next one."""

    hosts: Sequence[str]  # base addresses, https://…
    listings: Sequence[str]  # addresses that list them, as S3 does
    kinds: Mapping[str, Dump]  # of trades
    candles: Mapping[str, Dump]  # by width


@dataclass(frozen=True)
class Exchange:
    """An exchange's market."""

    venue: str
    market: str
    hosts: Sequence[str]  # base addresses, wss://…; the first one is tried first
    feeds: Mapping[str, Feed]  # kind -> feed
    limits: Limits
    time_unit: Literal["s", "ms", "us"]  # the coarsest unit of trade time of any source: every copy of a trade is floored to it
    symbol: Callable[[str], str]  # canonical pair -> the venue's symbol; ValueError where it cannot be
    pair: Callable[[str], str]  # the venue's symbol -> canonical pair; ValueError where it cannot be
    address: Callable[[str, Sequence[str]], str]  # host, streams -> where to connect
    subscriptions: Callable[[Sequence[str]], Sequence[str]]  # streams -> texts to send once connected
    recognise: Callable[[Any], Seen]  # a parsed frame -> what it is; total: never raises on any JSON value
    readings: Mapping[tuple[str, Source], Reading] = field(default_factory=dict)  # (kind, source) -> how Spark reads it
    books: Mapping[Source, BookReading] = field(default_factory=dict)  # of kind `book`: source -> how it is read
    best: Top | None = None  # of kind `book_top`
    klines: Mapping[Source, CandleReading] = field(default_factory=dict)  # of kind `kline`: source -> how it is read
    listing: InstrumentReading | None = None  # of kind `instruments`
    shapes: Mapping[str, Shape] = field(default_factory=dict)  # kind -> the fields of its frames
    rest: Rest | None = None
    aside: Mapping[str, Feed] = field(default_factory=dict)  # kinds that are no trades: order books, best prices, candles
    dumps: Dumps | None = None
    recorded: Mapping[str, Feed] = field(default_factory=dict)  # kinds that recordings and old files hold, no longer offered live

    @property
    def tops(self) -> Mapping[tuple[str, Source], Top]:
        """The best prices of each (kind, source) that has some."""
        streamed: dict[tuple[str, Source], Top] = {("book_top", "ws"): self.best} if self.best else {}
        return streamed | {("book", source): reading.top for source, reading in self.books.items()}

    @property
    def name(self) -> str:
        """As people and conf files say it."""
        return f"{self.venue} {self.market}"
