"""`make demo`: a simulated market, collected for half a minute, streamed into tables, and shown."""

import sys
from pathlib import Path

from setup import bars
from setup.stage import Stage, configuration, play, without_rest

SECONDS = 30
SPEED = 20  # so that half a minute holds ten of the market's minutes
HOLE = ("binance", "spot", "BTC-USDT", "310", "40")  # so many market seconds after the start, this many frames are kept back


def demo(stage: Stage) -> None:
    """Collect, stream, show."""
    local = (stage.home / "conf" / "local.yaml").read_text(encoding="utf-8")
    with stage.market(SPEED, SECONDS + 60, "--drop", *HOLE) as port:  # longer than anybody listens
        (stage.folder / "conf.yaml").write_text(without_rest(configuration(local, stage.name, port)), encoding="utf-8")
        stage.collect("conf.yaml", SECONDS, SPEED)
    stage.submit("streaming what landed into Delta tables", "stream", "stream", "conf.yaml", "--once")
    print(bars.report(Path(stage.name), HOLE))


if __name__ == "__main__":
    sys.exit(play("demo", demo))
