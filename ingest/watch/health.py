"""What is wrong with a collector, judged by its vitals. Pure: whoever calls tells people what has changed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ingest.alerts.alert import Key, Severity
from ingest.watch.vitals import FeedVitals, LinkVitals, MarketVitals, SpoolVitals, Vitals

STALL_SECONDS = 30.0  # a connection that is gone for less comes back by itself
UPLOAD_SECONDS = 60.0
LOST_SECONDS = 600.0  # after the last line that was lost: by then it is history, which the daily report and the metrics tell
OFF_MS = 1000.0
FILLING = 0.8  # of the spool's bound
Conditions = Mapping[Key, tuple[Severity, str]]


def conditions(now: Vitals) -> Conditions:
    """Everything that is wrong."""
    found: dict[Key, tuple[Severity, str]] = {}
    for where, links in _by_kind(now.links).items():
        found.update(_links(where, links))
    for feed in now.feeds:
        found.update(_feed(feed))
    for market in now.markets:
        found.update(_market(market))
    found.update(_spool(now.spool))
    for name, detail in now.sides.items():
        found[Key("side", name)] = Severity.CRITICAL, f"stream and REST differ: {detail}"
    for name, count in now.drifts.items():
        found[Key("drift", name)] = Severity.WARNING, f"{count} frames with other fields than documented; the events say which"
    for fault in now.faults:
        found[Key("fault", fault.partition(":")[0])] = Severity.CRITICAL, fault
    return found


def _by_kind(links: Iterable[LinkVitals]) -> Mapping[str, Sequence[LinkVitals]]:
    """Connections of one kind are one thing to people: how many they are is the venue's affair."""
    found: dict[str, list[LinkVitals]] = {}
    for link in links:
        found.setdefault(f"{link.venue} {link.market} {link.kind}", []).append(link)
    return found


def _links(where: str, links: Sequence[LinkVitals]) -> Iterator[tuple[Key, tuple[Severity, str]]]:
    given_up = [link.given_up for link in links if link.given_up]
    gone = [link.since_seconds for link in links if not (link.is_connected or link.given_up)]
    some = f"{{}} of {len(links)} connections: " if len(links) > 1 else ""
    if given_up:
        yield Key("given up", where), (Severity.CRITICAL, some.format(len(given_up)) + given_up[0])
    if max(gone, default=0.0) >= STALL_SECONDS:
        yield Key("stall", where), (Severity.CRITICAL, f"{some.format(len(gone))}not connected for {max(gone):.0f} s")
    if min((link.lost_seconds for link in links if link.lost_seconds is not None), default=LOST_SECONDS) < LOST_SECONDS:
        text = f"{sum(link.lost for link in links)} lines that the spool refused; they are fetched as holes"
        yield Key("lost lines", where), (Severity.WARNING, text)


def _feed(feed: FeedVitals) -> Iterator[tuple[Key, tuple[Severity, str]]]:
    where = f"{feed.venue} {feed.market} {feed.kind} {feed.pair}"
    if feed.is_mute:
        yield Key("mute", where), (Severity.CRITICAL, f"silent for {feed.heard_seconds or 0:.0f} s while the venue trades")
    if feed.holes:
        yield Key("gap", where), (Severity.WARNING, f"{feed.holes} holes that are not repaired yet")


def _market(market: MarketVitals) -> Iterator[tuple[Key, tuple[Severity, str]]]:
    where = f"{market.venue} {market.market}"
    if market.stuck:
        yield (
            Key("repair failed", where),
            (Severity.WARNING, f"{market.stuck} holes could not be asked for; they are tried again"),
        )
    if market.clock_ms is not None and abs(market.clock_ms) > OFF_MS:
        yield Key("clock", where), (Severity.WARNING, f"{market.clock_ms / 1000:+.1f} s from ours")
    if market.polls_failing:
        yield Key("polls fail", where), (Severity.WARNING, f"no answer to {', '.join(market.polls_failing)}")


def _spool(spool: SpoolVitals) -> Iterator[tuple[Key, tuple[Severity, str]]]:
    share = spool.bytes / spool.max_bytes
    if spool.is_full:
        yield Key("spool full", ""), (Severity.CRITICAL, f"{spool.bytes} bytes: nothing is received until there is room")
    elif share >= FILLING:
        yield Key("spool filling", ""), (Severity.WARNING, f"{spool.bytes} bytes, {share:.0%} of its bound")
    if spool.failing_seconds >= UPLOAD_SECONDS:
        text = f"nothing has landed for {spool.failing_seconds:.0f} s; {spool.waiting} segments wait"
        yield Key("upload failing", ""), (Severity.CRITICAL, text)
    if spool.conflicts:
        yield Key("conflict", ""), (Severity.CRITICAL, f"{spool.conflicts} objects exist with other lines; both are kept")


def daily(before: Vitals | None, now: Vitals) -> str:
    """The day in a few lines: what came, what was missed, what became of it."""
    lines = [f"collector {now.collector}: running for {now.seconds / 3600:.1f} h, {now.spool.waiting} segments wait"]
    old = _by_kind(before.links if before else ())
    for where, links in _by_kind(now.links).items():
        then = old.get(where, ())
        frames = sum(link.frames for link in links) - sum(link.frames for link in then)
        again = sum(max(0, link.connections - 1) for link in links) - sum(max(0, link.connections - 1) for link in then)
        streams = sum(link.streams for link in links)
        lines.append(f"{where}: {frames:,} frames, {again} reconnects, {streams} streams")
    markets = {(market.venue, market.market): market for market in (before.markets if before else ())}
    for market in now.markets:
        was = markets.get((market.venue, market.market))
        rows = market.rows - (was.rows if was else 0)
        repaired = market.repaired - (was.repaired if was else 0)
        lines.append(f"{market.venue} {market.market}: {repaired} holes repaired, {rows:,} rows fetched, {market.waiting} wait")
    return "\n".join(lines)
