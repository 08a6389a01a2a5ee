"""`make demo`: a simulated market, collected for half a minute, streamed into tables, and shown."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from setup import bars

HOME = Path(__file__).resolve().parent.parent
FOLDER = HOME / "demo"
CONF = FOLDER / "conf.yaml"
SECONDS = 30
SPEED = 20  # so that half a minute holds ten of the market's minutes
HOLE = ("binance", "spot", "BTC-USDT", "310", "40")  # so many market seconds after the start, this many frames are kept back
INTERRUPTED = 130
CLEAR = "\r\033[K"  # the terminal's line


class StepError(Exception):
    """A step of the demo failed; says which, and the end of what it printed."""


def configuration(local: str, port: int) -> str:
    """The configuration of the demo: conf/local.yaml with a lake of its own and the simulator where it listens."""
    changes = {"./lake": "./demo/lake", "./spool": "./demo/spool", "127.0.0.1:9101": f"127.0.0.1:{port}"}
    for old, new in changes.items():
        if old not in local:
            raise StepError(f"conf/local.yaml: the demo looks for {old} there, in order to replace it by {new}")
        local = local.replace(old, new)
    # else the hole would be repaired before anybody has seen it
    return re.sub(r'(, |\n +)(rest|dumps): \[".+?"\]', "", local)


def minute_before(now: float, seconds: float) -> str:
    """A full minute at least so long ago: the market never passes the clock, and the hole lies within one minute."""
    return f"{datetime.fromtimestamp((now - seconds) // 60 * 60, UTC):%Y-%m-%dT%H:%M:%SZ}"


def show_progress(step: str, started: float) -> None:
    """Say where we are, where somebody watches."""
    if sys.stderr.isatty():
        print(f"{CLEAR}{step} … {time.monotonic() - started:.0f} s", end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def started(name: str, command: Sequence[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program of ours whose output goes to a file; it does not outlive the block, nor does what it started."""
    with (FOLDER / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=HOME, env={**os.environ, **environment}, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(30)
            except (subprocess.TimeoutExpired, KeyboardInterrupt):  # it hangs, or somebody is in a hurry
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def said(name: str) -> str:
    """What a program printed so far."""
    return (FOLDER / f"{name}.log").read_text(encoding="utf-8", errors="replace")


def step(title: str, name: str, command: Sequence[str], **environment: str) -> None:
    """Run a program to its end."""
    begin = time.monotonic()
    with started(name, command, environment) as process:
        while process.poll() is None:
            show_progress(title, begin)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.5)
    if process.returncode:
        tail = "\n".join(said(name).splitlines()[-20:])
        raise StepError(f"{title}: failed with exit code {process.returncode}. The end of demo/{name}.log:\n{tail}")
    clear = CLEAR if sys.stderr.isatty() else ""
    print(f"{clear}{title}: {time.monotonic() - begin:.0f} s", file=sys.stderr)


def port_of(simulator: subprocess.Popen[bytes]) -> int:
    """Wait until the simulator says where it listens."""
    until = time.monotonic() + 30
    while time.monotonic() < until and simulator.poll() is None:
        for word in said("simulate").split():
            if word.startswith("port="):
                return int(word.removeprefix("port="))
        time.sleep(0.05)
    raise StepError(f"the simulator did not start:\n{said('simulate')}")


def collect() -> None:
    """The market, and who listens to it."""
    length = SECONDS + 60  # longer than anybody listens
    options = ["--port", "0", "--speed", str(SPEED), "--for", f"{length}s", "--start", minute_before(time.time(), length * SPEED)]
    command = [sys.executable, "-m", "ingest", "simulate", *options, "--drop", *HOLE, "--truth", str(FOLDER / "truth.jsonl")]
    with started("simulate", command, {}) as simulator:
        local = (HOME / "conf" / "local.yaml").read_text(encoding="utf-8")
        CONF.write_text(configuration(local, port_of(simulator)), encoding="utf-8")
        command = [sys.executable, "-m", "ingest", "collect", "--conf", str(CONF), "--for", f"{SECONDS}s"]
        step(f"collecting {SECONDS} s of a market that runs {SPEED} times faster than the clock", "collect", command)


def stream() -> None:
    """From the landing zone to the tables."""
    command = [str(HOME / "spark-submit.sh"), "stream", "--conf", str(CONF), "--once"]
    step("streaming what landed into Delta tables", "stream", command, TICKLAKE_JIT="c1")


def ended(_number: int, _frame: FrameType | None) -> None:
    """End in the same way as by Ctrl+C."""
    raise KeyboardInterrupt


def main() -> int:
    """Run the demo anew."""
    signal.signal(signal.SIGTERM, ended)
    try:
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir()
        collect()
        stream()
        print(bars.report(FOLDER.relative_to(HOME), HOLE))
    except KeyboardInterrupt:
        print("\ndemo: stopped; `make demo` starts anew", file=sys.stderr)
        return INTERRUPTED
    except StepError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
