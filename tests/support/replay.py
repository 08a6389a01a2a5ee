"""A recording through a socket, a collector and a spool into a landing zone."""

import signal
from collections.abc import Collection
from pathlib import Path

from ingest.exchanges import EXCHANGES
from ingest.simulator.recording import recording
from tests.support.processes import ingest, simulator

TRADES = ("trade", "agg_trade")
OPTIONS = {"kline": ", width: 1m"}  # of a kind's feed


def replay(file: Path, place: tuple[str, str], lake: Path, folder: Path, kinds: Collection[str] = TRADES) -> None:
    """Collect what the recording has of some kinds; `folder` keeps the collector's own files."""
    venue, market = place
    series = {(frame.series.kind, frame.series.pair) for frame in recording(file, EXCHANGES[place])}
    wanted = sorted((kind, pair) for kind, pair in series if kind in kinds)
    feeds = "".join(
        f"\n    - {{venue: {venue}, market: {market}, kind: {kind}, pairs: [{pair}]{OPTIONS.get(kind, '')}}}"
        for kind, pair in wanted
    )
    options = ("--recording", file, "--venue", venue, "--market", market, "--speed", "max", "--wait-for", len(wanted))
    folder.mkdir()
    conf = folder / "conf.yaml"
    with simulator(*options) as (venues, port):
        conf.write_text(f"""
lake: {lake}
ingest:
  collector: {folder.name}
  spool: {{path: "{folder / "spool"}"}}
  feeds: {feeds}
  endpoints: {{{venue}: {{{market}: {{websocket: ["ws://127.0.0.1:{port}/{venue}/{market}"]}}}}}}
""")
        with ingest("collect", "--conf", conf) as collector:
            assert venues.wait(100) == 0
            collector.send_signal(signal.SIGTERM)
            said = collector.communicate(timeout=20)
            assert collector.returncode == 0, said
