"""One round of one contender: started, fed, ended, timed, and its output compared with what was sent."""

import contextlib
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from ingest.landing import Files
from tests.benchmarks import cpu
from tests.benchmarks.receive.wire import streams
from tests.benchmarks.worker import HOME, Worker

SLOW = 0.2
RIVALS = "tests.benchmarks.receive.rivals"
SUMMARY = re.compile(r"frames=(\d+) trades=(\d+) .* waiting_segments=(\d+) lost_lines=(\d+) .*\bgaps=(\d+)")


@dataclass(frozen=True)
class Contender:
    """What runs, given a port, the number of frames and a folder; what is asked of its output."""

    command: Callable[[int, int, Path], Sequence[object]]
    check: Callable[[Path, Sequence[bytes]], None]
    ends: bool = True  # by itself, when it has all frames
    share: float = 1.0  # of the frames; the slow ones need not have all


def measured(
    contender: Contender, sender: Worker, hour: Sequence[bytes], folder: Path, prefix: Sequence[str] = ()
) -> Mapping[str, float]:
    """Processor seconds from the subscription to the end of the process, and the messages that one of them takes."""
    hour = hour[: round(len(hour) * contender.share)]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with running([*prefix, *contender.command(sender.ask("port"), len(hour), folder)], folder) as process:
        sender.ask("accept")
        before = cpu.seconds(process.pid)
        told = sender.ask("blast", frames=len(hour))
        if not contender.ends:
            process.send_signal(signal.SIGTERM)
        used = ended(process, folder) - before
    contender.check(folder, hour)
    return {"cpu": used, "wall": told["seconds"], "rate": len(hour) / used}


@contextlib.contextmanager
def running(command: Sequence[object], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that writes to `folder/log`; killed should something go wrong."""
    env = {**os.environ, "PYTHONPATH": str(HOME), "TZ": "UTC"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*map(str, command)], cwd=HOME, env=env, stdout=log, stderr=log)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            process.wait()


def ended(process: subprocess.Popen[bytes], folder: Path) -> float:
    """All processor seconds of a process, once it has ended well."""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{process.args!r}: ended with {process.returncode}: {said(folder)[-2000:]}")
    return used.ru_utime + used.ru_stime


def said(folder: Path) -> str:
    """What the process has written."""
    return (folder / "log").read_text(encoding="utf-8", errors="replace")


def ours(port: int, _: int, folder: Path) -> Sequence[object]:
    """The collector as a user starts it, with its defaults."""
    feed = {"venue": "binance", "market": "spot", "kind": "agg_trade", "pairs": [*streams().values()]}
    conf = {
        "lake": str(folder / "lake"),
        "ingest": {
            "collector": "bench",
            "spool": {"path": str(folder / "spool")},
            "feeds": [feed],
            "endpoints": {"binance": {"spot": {"websocket": [f"ws://127.0.0.1:{port}"]}}},
        },
    }
    (folder / "conf.yaml").write_text(yaml.safe_dump(conf), encoding="utf-8")
    return [sys.executable, "-m", "ingest", "collect", "--conf", folder / "conf.yaml"]


def check_ours(folder: Path, hour: Sequence[bytes]) -> None:
    """Every frame, as it was sent, in the order sent; and the collector missed nothing."""
    check_landed(folder, hour)
    expected = (len(hour) + 1, len(hour), 0, 0, 0)  # the acknowledgement is a frame, too
    told = summary(folder)
    if told != expected:
        raise AssertionError(f"the collector says {told} of frames, trades, waiting, lost and gaps; {expected} is right")


def summary(folder: Path) -> tuple[int, ...]:
    """What the collector says at its end: frames, trades, waiting segments, lost lines, gaps."""
    found = SUMMARY.search(said(folder))
    assert found, said(folder)
    return tuple(map(int, found.groups()))


def check_landed(folder: Path, hour: Sequence[bytes]) -> None:
    """The text of each line's `raw` is the frame that was sent."""
    found = [line.partition(b',"raw":')[2].removesuffix(b"}") for text in landed(folder) for line in text.splitlines()]
    if found != hour:
        place = next((place for place, pair in enumerate(zip(found, hour, strict=False)) if pair[0] != pair[1]), None)
        raise AssertionError(f"{len(found)} lines landed and {len(hour)} frames were sent; the first that differs: {place}")


def landed(folder: Path) -> Iterator[bytes]:
    """The lines of each object of trades, in the order received."""
    files = Files(folder / "lake")
    keys = sorted(files.keys("landing/channel=trades/"), key=lambda key: int(Path(key).name.partition("-")[0]))
    for key in keys:
        found = files.get(key)
        assert found
        yield gzip.decompress(found[0])


def check_lines(folder: Path, hour: Sequence[bytes]) -> None:
    """A line a frame, each of them JSON."""
    with gzip.open(folder / "out" / "lines.jsonl.gz") as lines:
        found = sum(1 for line in lines if json.loads(line))
    if found != len(hour):
        raise AssertionError(f"{found} lines were written, {len(hour)} frames were sent")


def rival(name: str, python: str = sys.executable) -> Callable[[int, int, Path], Sequence[object]]:
    """The command of a rival."""
    return lambda port, frames, folder: [python, "-m", f"{RIVALS}.{name}", port, frames, folder / "out"]


def contenders(cryptofeed: str | None) -> dict[str, Contender]:
    """All of them; cryptofeed where a Python that has it is named."""
    found = {
        "ours": Contender(ours, check_ours, ends=False),
        "websockets": Contender(rival("websockets_client"), lambda folder, hour: check_landed(folder / "out", hour)),
        "websocketapp": Contender(rival("websocketapp"), check_lines, share=SLOW),
    }
    if cryptofeed:
        found["cryptofeed"] = Contender(rival("cryptofeed_handler", cryptofeed), check_lines, share=SLOW)
    return found
