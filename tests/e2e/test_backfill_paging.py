"""The past of venues without files, fetched by the command over real sockets: killed on the way, and in the end all that was traded."""

import re
import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from ingest.simulator.past import Recorded
from ingest.simulator.wire import Frame
from ingest.simulator.worlds import made
from tests.support.desk import Desk, ended
from tests.support.paged import evenly, inbox, series
from tests.support.processes import ingest, until
from tests.support.simulation import venues

TODAY = datetime.combine(datetime.now(UTC).date(), time(), UTC)
FIRST, LAST = TODAY - timedelta(days=3), TODAY - timedelta(days=2)
# one in 36 s from the day before on; a file's worth of ids ends at 99,999, in the middle of the second day that is asked for
DOLLARS = evenly(range(95_300, 95_300 + 8401), FIRST - timedelta(days=1), FIRST + timedelta(days=2.5))
PESOS = evenly([number * 7 + number * number % 5 for number in range(1, 1252)], FIRST, FIRST + timedelta(days=2.5))
CONF = "backfill: {parallel: 1}\n  repair: {weight_share: 1}"


@dataclass(frozen=True)
class Until(Recorded):
    """Trades that are told, until some file is there: then nothing is, for as long as nobody opens the gate."""

    file: Path = Path("/nowhere")
    gate: threading.Event = field(default_factory=threading.Event)

    def newest(self, *asked, **more):
        if self.file.is_dir():
            self.gate.wait(60)
        return super().newest(*asked, **more)


def test_what_was_traded_comes_once_over_a_kill(tmp_path):
    desk = Desk(tmp_path)
    past = Until(file=desk.lake / "control/backfill/coinbase/spot/trade/BTC-USD")
    past.add(Frame(0, series("coinbase", "BTC-USD"), b"", tuple(DOLLARS)))
    past.add(Frame(0, series("bitso", "BTC-MXN"), b"", tuple(PESOS)))
    now = int(datetime.now(UTC).timestamp()) * 1_000_000
    with venues(replace(made(7, now, None, 1.0), past=past), wait_for=0, stays=True, limits=1.0) as there:
        conf = desk.conf(int(there.address.rpartition(":")[2]), feeds=" []", has_rest=True, more=CONF)

        def asked(venue, pair):
            return ingest(
                *("backfill", "--conf", conf, "--venue", venue, "--dataset", "trades", "--pairs", pair),
                *("--from", FIRST.date(), "--to", LAST.date()),
            )

        with asked("coinbase", "BTC-USD") as killed:
            until(lambda: past.file.is_dir() and any(past.file.iterdir()), killed, "the word about the first file")
            killed.kill()
        first = inbox(desk.files, "coinbase", "BTC-USD")
        past.gate.set()
        with asked("coinbase", "BTC-USD") as process:
            dollars = ended(process, 60)
        with asked("bitso", "BTC-MXN") as process:
            pesos = ended(process, 60)

    assert [len(file.lines) for file in first.values()] == [3]  # 97,700 to 99,999
    assert re.fullmatch(r"backfill: \d+ s, ids=4800 left=0 files=1 there=1 pages=3 trades=2500 text_bytes=\d+\n?", dollars[1]), (
        dollars
    )
    assert (dollars[0], "rest_refused" in dollars[2]) == (0, False)  # within the venue's limits
    files = inbox(desk.files, "coinbase", "BTC-USD")
    assert first.items() <= files.items()
    assert Counter(row[:3] for file in files.values() for row in file.trades()) == Counter(truth(DOLLARS))

    assert re.fullmatch(r"backfill: \d+ s, ids=\d+ left=0 files=1 there=0 pages=\d+ trades=1000 text_bytes=\d+; .*", pesos[1]), (
        pesos
    )
    assert pesos[1].endswith(f"; BTC-MXN: the venue tells nothing before {FIRST:%Y-%m-%d}T00:00:00Z")
    assert (pesos[0], "rest_refused" in pesos[2]) == (0, False)
    found = inbox(desk.files, "bitso", "BTC-MXN")
    assert {row[:3] for file in found.values() for row in file.trades()} == set(truth(PESOS))
    assert [file.days for file in found.values()] == [(FIRST.date(), LAST.date())]


def truth(trades):
    """Id, price and quantity of what was traded in the two days."""
    begin, end = (int(at.timestamp()) * 1_000_000 for at in (FIRST, LAST + timedelta(days=1)))
    return [(trade.trade_id, trade.price, trade.quantity) for trade in trades if begin <= trade.ts < end]
