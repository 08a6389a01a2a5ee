"""A collector's vitals for Prometheus."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ingest.watch.vitals import FeedVitals, LinkVitals, MarketVitals, SpoolVitals, Vitals

_PREFIX = "ticklake_ingest_"
_PARTS = ("0", "0.5", "0.99", "1")

_LINK: Sequence[tuple[str, str, bool, Callable[[LinkVitals], float]]] = (  # name, help, is it a counter, value: a sum
    ("frames", "frames received", True, lambda link: link.frames),
    ("trade_frames", "frames of trades received", True, lambda link: link.trades),
    ("bytes", "bytes of lines written to the spool", True, lambda link: link.bytes),
    ("connections", "connections opened", True, lambda link: link.connections),
    ("mutes", "streams found mute", True, lambda link: link.mutes),
    ("lost_lines", "lines that the spool refused", True, lambda link: link.lost),
    ("links", "connections that should be up", False, lambda _: 1),
    ("connected", "of these, that are", False, lambda link: int(link.is_connected)),
    ("streams", "streams subscribed", False, lambda link: link.streams),
)
_FEED: Sequence[tuple[str, str, Callable[[FeedVitals], float | None]]] = (
    ("silence_seconds", "seconds since the stream was heard", lambda feed: feed.heard_seconds),
    ("silence_limit_seconds", "seconds of silence after which somebody asks", lambda feed: feed.limit_seconds),
    ("open_holes", "holes that are not dealt with", lambda feed: feed.holes),
)
_MARKET: Sequence[tuple[str, str, bool, Callable[[MarketVitals], float]]] = (
    ("repairs", "holes repaired", True, lambda market: market.repaired),
    ("repairs_left", "holes that the venue cannot fill", True, lambda market: market.left),
    ("repair_failures", "holes that could not be asked for at first", True, lambda market: market.failed),
    ("repairs_stuck", "holes whose last try failed", False, lambda market: market.stuck),
    ("repaired_rows", "rows fetched into holes", True, lambda market: market.rows),
    ("polls", "questions asked on schedule", True, lambda market: market.polls),
    ("poll_failures", "of these without an answer", True, lambda market: market.polls_failed),
    ("polls_late", "of these asked a turn too late", True, lambda market: market.polls_late),
    ("polls_failing", "polls whose last question had no answer", False, lambda market: len(market.polls_failing)),
    ("weight_used", "weight spent in the venue's window, by all our processes", False, lambda market: market.weight_used),
    ("weight_limit", "weight that the venue allows", False, lambda market: market.weight_limit),
)
_SPOOL: Sequence[tuple[str, str, bool, Callable[[SpoolVitals], float]]] = (
    ("spool_bytes", "bytes in the spool", False, lambda spool: spool.bytes),
    ("spool_max_bytes", "the spool's bound", False, lambda spool: spool.max_bytes),
    ("spool_full", "1 while nothing is received for want of room", False, lambda spool: int(spool.is_full)),
    ("spool_waiting_segments", "sealed segments that have not landed", False, lambda spool: spool.waiting),
    ("spool_oldest_seconds", "age of the oldest of these", False, lambda spool: spool.oldest_seconds),
    ("objects", "objects landed", True, lambda spool: spool.objects),
    ("landed_bytes", "bytes of text in them", True, lambda spool: spool.landed_bytes),
    ("upload_failures", "tries to land that failed", True, lambda spool: spool.failures),
    ("conflicts", "objects that exist with other lines", True, lambda spool: spool.conflicts),
)


def families(now: Vitals) -> Iterator[Metric]:
    """Every metric."""
    for name, text, is_counter, value in _LINK:
        yield _family(name, text, is_counter, _LINK_LABELS, ((_link(link), value(link)) for link in now.links))
    lag = GaugeMetricFamily(
        f"{_PREFIX}lag_seconds", "receive time minus the venue's time of sending", labels=(*_LINK_LABELS, "quantile")
    )
    worst: dict[tuple[str, ...], float] = {}
    for link in now.links:  # links of one kind are told together
        for part, ms in zip(_PARTS, link.lag_ms, strict=False):
            own = (*_link(link), part)
            worst[own] = max(worst.get(own, ms), ms)
    for own, ms in worst.items():
        lag.add_metric(own, ms / 1000)
    yield lag
    for name, text, of_feed in _FEED:
        values = ((_feed(feed), of_feed(feed)) for feed in now.feeds)
        known = ((labels, value) for labels, value in values if value is not None)
        yield _family(name, text, False, _FEED_LABELS, known)
    for name, text, is_counter, of_market in _MARKET:
        yield _family(name, text, is_counter, _MARKET_LABELS, ((_market(one), of_market(one)) for one in now.markets))
    clocks = ((_market(one), one.clock_ms / 1000) for one in now.markets if one.clock_ms is not None)
    yield _family("clock_offset_seconds", "the venue's clock less ours", False, _MARKET_LABELS, clocks)
    drifts = (((feed,), count) for feed, count in now.drifts.items())
    yield _family("odd_frames", "frames with other fields than the venue documents", True, ("feed",), drifts)
    for name, text, is_counter, of_spool in _SPOOL:
        yield _family(name, text, is_counter, (), [((), of_spool(now.spool))])
    yield _family("gaps", "holes found", True, (), [((), now.gaps)])
    yield _family("uptime_seconds", "seconds since the start", False, (), [((), now.seconds)])


def serve(address: str, vitals: Callable[[], Vitals]) -> tuple[Callable[[], None], int]:
    """Answer scrapes at host:port, each with the vitals of that moment. What ends it, and the port that it is.

    OSError: it cannot be had; says which key of the configuration asks for it.
    """

    class _Now(Collector):
        def collect(self) -> Iterator[Metric]:
            return families(vitals())

    registry = CollectorRegistry()
    registry.register(_Now())
    host, _, port = address.rpartition(":")
    try:
        server, thread = start_http_server(int(port), addr=host, registry=registry)
    except OSError as error:
        raise OSError(
            f"ingest.metrics.address is {address!r}: {error.strerror}; each collector of a machine needs one of its own"
        ) from error

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop, server.server_port


_LINK_LABELS = ("venue", "market", "kind")
_FEED_LABELS = ("venue", "market", "kind", "pair", "stream")
_MARKET_LABELS = ("venue", "market")


def _link(link: LinkVitals) -> tuple[str, ...]:
    return link.venue, link.market, link.kind


def _feed(feed: FeedVitals) -> tuple[str, ...]:
    return feed.venue, feed.market, feed.kind, feed.pair, feed.stream


def _market(market: MarketVitals) -> tuple[str, ...]:
    return market.venue, market.market


def _family(
    name: str,
    text: str,
    is_counter: bool,  # noqa: FBT001 - a column of a table
    labels: tuple[str, ...],
    values: Iterable[tuple[tuple[str, ...], float]],
) -> Metric:
    family = (CounterMetricFamily if is_counter else GaugeMetricFamily)(f"{_PREFIX}{name}", text, labels=labels)
    sums: dict[tuple[str, ...], float] = {}
    for own, value in values:
        sums[own] = sums.get(own, 0.0) + value
    for own, value in sums.items():
        family.add_metric(own, value)
    return family
