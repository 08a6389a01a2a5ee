"""A recording through a socket, a collector and a spool into a landing zone."""

import signal
from pathlib import Path

from ingest.exchanges import EXCHANGES
from ingest.simulator.recording import recording
from tests.support.processes import ingest, simulator


def replay(file: Path, place: tuple[str, str], lake: Path, folder: Path) -> None:
    """Collect what the recording has of trades; `folder` keeps the collector's own files."""
    venue, market = place
    frames = recording(file, EXCHANGES[place])
    series = {(frame.series.kind, frame.series.pair) for frame in frames if frame.series.kind in ("trade", "agg_trade")}
    feeds = "".join(
        f"\n    - {{venue: {venue}, market: {market}, kind: {kind}, pairs: [{pair}]}}" for kind, pair in sorted(series)
    )
    options = ("--recording", file, "--venue", venue, "--market", market, "--speed", "max", "--wait-for", len(series))
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
