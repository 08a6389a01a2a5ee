"""What all jobs share on the command line: the configuration, the exit code, the record of the run."""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingest.landing import FrozenError
from ingest.settings import Settings, SettingsError, load
from jobs.runtime.lake import LakeError, Place, place
from jobs.runtime.lease import LeaseHeld, LeaseLost
from jobs.runtime.live import Foreign, TableError
from jobs.runtime.session import SessionError

log = logging.getLogger(__name__)
DONE, FAILED, USAGE, WRONG = 0, 1, 2, 3


class JobError(Exception):
    """A job cannot go on, for a reason that its message tells in full."""


EXPECTED = (JobError, LakeError, LeaseHeld, LeaseLost, Foreign, TableError, SessionError, FrozenError)

Summary = Mapping[str, Any]
Run = Callable[[Settings, Place, argparse.Namespace], Summary]
Verdict = Callable[[Summary], str | None]


def parser(job: str, description: str, example: str, dry_run: str | None = None) -> argparse.ArgumentParser:
    """The options of every job. `dry_run` says what a dry run tells, where the job has one: its file names that text `DRY_RUN`."""
    made = argparse.ArgumentParser(
        prog=f"./spark-submit.sh {job}",
        description=description,
        epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--conf", required=True, type=Path, metavar="FILE", help="the configuration, such as conf/local.yaml")
    made.add_argument("--run", default=None, metavar="NAME", help="name of this run under control/runs (default: the time)")
    if dry_run is not None:
        made.add_argument("--dry-run", action="store_true", help=f"{dry_run}; changes nothing, and needs no lake")
    return made


def nothing_wrong(_: Summary) -> None:
    """The verdict of a job that does not judge its data."""


def main(
    job: str,
    made: argparse.ArgumentParser,
    run: Run,
    arguments: Sequence[str] | None = None,
    verdict: Verdict = nothing_wrong,
) -> int:
    """Run a job and say how it went: 0 done, 1 failed, 2 the command or the configuration is wrong, 3 the data is.

    `verdict` says by a summary what is wrong with the data, or None. What a job was asked to print is `printed` in its summary: it
    stands alone on the standard output.
    """
    chosen = made.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="time=%(asctime)s level=%(levelname)s %(message)s")
    logging.getLogger("py4j").setLevel(logging.WARNING)
    started = datetime.now(UTC)
    is_dry = getattr(chosen, "dry_run", False)
    try:
        settings = load(chosen.conf)
        where = place(settings.lake, make=not is_dry)
    except (SettingsError, LakeError) as error:
        print(f"{job}: {error}", file=sys.stderr)
        return USAGE
    name = chosen.run = chosen.run or f"{started:%Y%m%dT%H%M%SZ}"
    wrong = None
    try:
        summary = run(settings, where, chosen)
        wrong = verdict(summary)
        code = DONE if wrong is None else WRONG
    except SettingsError as error:
        print(f"{job}: {error}", file=sys.stderr)
        summary, code = {"error": str(error)}, USAGE
    except EXPECTED as error:
        print(f"{job}: {error}", file=sys.stderr)
        summary, code = {"error": str(error)}, FAILED
    except KeyboardInterrupt:
        summary, code = {"error": "interrupted"}, FAILED
    except Exception as error:
        # nobody foresaw it: its trace is for the log, its name for the record
        log.exception("event=failed job=%s", job)
        summary, code = {"error": f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"}, FAILED
    printed = summary.get("printed")
    summary = {key: value for key, value in summary.items() if key != "printed"}
    told = {"job": job, "run": name, "started": f"{started:%Y-%m-%dT%H:%M:%SZ}", "code": code, **summary}
    if not is_dry:
        _record(where, job, name, told)
    if code in (DONE, WRONG):
        figures = {key: value for key, value in summary.items() if not isinstance(value, list)}  # a list is for the record
        if printed is not None:
            print(printed, end="")
        line = f"{job}: " + ", ".join(f"{value} {key.replace('_', ' ')}" for key, value in figures.items())
        print(line, file=sys.stdout if printed is None else sys.stderr)
    if wrong is not None:
        print(f"{job}: {wrong}", file=sys.stderr)
    return code


def _record(where: Place, job: str, name: str, told: Mapping[str, Any]) -> None:
    """A cluster's deploy mode swallows exit codes; the record does not."""
    key = f"control/runs/{job}/{name}.json"
    there = where.store.get(key)
    where.store.replace(key, json.dumps(told).encode(), there[1] if there else None)
