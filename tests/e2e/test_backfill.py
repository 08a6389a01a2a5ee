"""The past of the simulated venue, fetched by the command: killed on the way, and in the end what was published."""

import csv
import hashlib
import io
import re
import zipfile
from datetime import UTC, datetime, time, timedelta

from tests.support.desk import Desk, ended
from tests.support.dumps import SEED, traded
from tests.support.processes import ingest, simulator, until

MINUTE = 60_000_000
DAY = 1440 * MINUTE
YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
DAYS = [YESTERDAY - timedelta(days=1), YESTERDAY]
FOLDER = "inbox/binance/spot/daily/aggTrades/ETHBTC"


def test_a_backfill_that_is_killed_is_gone_on_with_until_all_is_there(tmp_path):
    desk = Desk(tmp_path)
    asked = ["--dataset", "aggTrades", "--pairs", "ETH-BTC", "--from", DAYS[0], "--to", DAYS[1], "--verbose"]
    with simulator("--seed", SEED, "--stay") as (_, port):
        conf = desk.conf(
            port, feeds=" []", dumps=f"http://127.0.0.1:{port}/dumps", more="backfill: {parallel: 1, requests_per_second: 2}"
        )
        with ingest("backfill", "--conf", conf, *asked) as first:
            until(lambda: list(desk.files.keys("inbox/")), first, "the first file")
            first.kill()
        with ingest("backfill", "--conf", conf, *asked) as second:
            code, summary, errors = ended(second, 120)
    assert (code, "Traceback" in errors) == (0, False), errors
    assert re.match(r"backfill: \d+ s, files=2 fetched=[12] (there=1 )?left=0 ", summary)  # as its checksum was there, or not yet
    names = [f"ETHBTC-aggTrades-{day}.zip" for day in DAYS]
    assert sorted(desk.files.keys("inbox/")) == sorted(f"{FOLDER}/{name}{end}" for name in names for end in ("", ".CHECKSUM"))
    for day, name in zip(DAYS, names, strict=True):
        data, told = (desk.files.get(f"{FOLDER}/{name}{end}")[0] for end in ("", ".CHECKSUM"))
        assert told.decode().split() == [hashlib.sha256(data).hexdigest(), name]
        assert first_minutes(data) == truth(day)
    assert not list((tmp_path / "spool/backfill/binance-spot").iterdir())


def first_minutes(data):
    """Id, price and quantity of what was traded in the first minutes of a file's day."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        (name,) = archive.namelist()
        rows = list(csv.reader(io.StringIO(archive.read(name).decode())))
    begin = int(rows[0][5]) // DAY * DAY
    return [(int(number), price, quantity) for number, price, quantity, _, _, at, *_ in rows if int(at) < begin + 30 * MINUTE]


def truth(day):
    name = ("binance", "spot", "agg_trade", "ETH-BTC")
    return [(trade.trade_id, trade.price, trade.quantity) for trade in traded(name, datetime.combine(day, time(), UTC), 30)]
