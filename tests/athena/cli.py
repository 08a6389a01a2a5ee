"""`make athena`: a small lake, collected and fetched from a simulated market, asked in SQL as Athena would be asked."""

import os
import readline  # noqa: F401 - gives the prompt its history
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import yaml
from trino.exceptions import Error

from setup.stage import HOME, Stage, configuration, play
from tests.support.aws import asked_of_athena, aws
from tests.support.seaweedfs import REGION, S3, seaweedfs
from tests.support.trino import Trino, trino

SECONDS, SPEED = 10, 20
PAIR = "ETH-USDT"  # of which a day of last month is fetched
WIDEST = 40  # characters of a value
SHOWN = 50  # rows
DATABASE = "ticklake"
HINT = """
Tables and views: SHOW TABLES; columns: DESCRIBE trades. An empty line, or Ctrl+D, ends it all. For example:
  SELECT pair, year, month, count(*) AS trades FROM trades GROUP BY pair, year, month ORDER BY pair, year, month
  SELECT start, open, high, low, close, volume FROM candles WHERE width = '5m' AND pair = 'BTC-USDT' ORDER BY start
"""


def athena(stage: Stage) -> None:
    """Make the lake, serve it, ask."""
    for name in ("s3", "trino"):
        (stage.folder / name).mkdir()
    with seaweedfs(stage.folder / "s3") as s3, aws() as glue:
        os.environ.update(s3.environment)
        s3.client().create_bucket(Bucket="lake")
        _make(stage, s3, glue)
        print("starting Trino", file=sys.stderr)
        with trino(stage.folder / "trino", s3, glue, DATABASE) as engine:
            for statement in asked_of_athena(glue, DATABASE):
                engine.rows(statement)
            _ask(engine)


def _make(stage: Stage, s3: S3, glue: str) -> None:
    local = (HOME / "conf" / "local.yaml").read_text(encoding="utf-8")
    day = (datetime.now(UTC).replace(day=1) - timedelta(days=1)).strftime("%Y-%m-%d")
    with stage.market(SPEED, SECONDS + 90) as port:
        told = yaml.safe_load(configuration(local, stage.name, port))
        told["lake"] = {"path": "s3://lake/data", "endpoint": s3.endpoint, "region": REGION, "path_style": True}
        told["jobs"] |= {"catalog": {"database": DATABASE, "endpoint": glue, "athena_output": "s3://lake/athena"}}
        (stage.folder / "conf.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")
        stage.collect("conf.yaml", SECONDS, SPEED)
        fetch = [sys.executable, "-m", "ingest", "backfill", "--conf", str(stage.folder / "conf.yaml"), "--dataset", "aggTrades"]
        stage.step(f"fetching {PAIR} of {day}", "backfill", [*fetch, "--pairs", PAIR, "--from", day, "--to", day])
    stage.submit("streaming what landed into Delta tables", "stream", "stream", "conf.yaml", "--once")
    stage.submit("history of what was fetched", "compact", "compact", "conf.yaml")
    stage.submit("Glue and Athena are told", "catalog", "catalog", "conf.yaml", "--views", str(HOME / "conf/views"))


def _ask(engine: Trino) -> None:
    print(HINT)
    for sql in _typed():
        try:
            print(table(engine.rows(sql.rstrip(";"))))
        except Error as error:
            print(getattr(error, "message", error))


def _typed() -> Iterator[str]:
    while True:
        try:
            sql = input("athena> ")
        except EOFError:
            return
        if not sql.strip():
            return
        yield sql


def table(rows: Sequence[dict[str, object]]) -> str:
    """As a person reads it."""
    if not rows:
        return "no rows"
    lines = [list(rows[0]), *([str(value)[:WIDEST] for value in row.values()] for row in rows[:SHOWN])]
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    told = ["  ".join(value.ljust(width) for value, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    more = [f"… {len(rows) - SHOWN} rows more"] if len(rows) > SHOWN else []
    return "\n".join([told[0], "  ".join("-" * width for width in widths), *told[1:], *more])


def main() -> int:
    """Until whoever asks has no more questions."""
    return play("athena", athena)
