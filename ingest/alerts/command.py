"""`python -m ingest alerts`: sends a message of test through every channel of a configuration."""

import argparse
import sys
from pathlib import Path

from ingest.alerts.channel import Channel, RefusedError, UnreachableError
from ingest.alerts.channels import channels
from ingest.clock import SYSTEM, iso
from ingest.settings import SettingsError, load

EXAMPLE = """example:
  python -m ingest alerts --conf conf/prod.yaml --test

Sends one message through each channel, without trying again, and says of each whether it arrived; an e-mail has arrived when the
mail server has taken it. Exit codes: 0 all arrived, 1 one did not, 2 the configuration or the options are not right."""
DONE, FAILED, USAGE = 0, 1, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.description = "Find out whether alerts reach those whom they are meant for."
    parser.epilog = EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--conf", type=Path, required=True, help="the configuration, such as conf/prod.yaml")
    parser.add_argument("--test", action="store_true", required=True, help="send a message of test through every channel")


def run(args: argparse.Namespace) -> int:
    """Test every channel; 0 where all took the message."""
    try:
        settings = load(args.conf)
        found = channels(settings.alerts)
    except SettingsError as error:
        return _refuse(str(error))
    if not found:
        return _refuse(f"{args.conf}: alerts.channels: there is none to test; slack, telegram, email and sns are possible")
    at = iso(SYSTEM.wall_ns())[:19].replace("T", " ")
    failed = [one for one in found if not _is_taken(one, settings.ingest.collector, at)]
    sys.stdout.write(f"alerts: {len(found) - len(failed)} of {len(found)} arrived\n")
    return FAILED if failed else DONE


def _is_taken(channel: Channel, collector: str, at: str) -> bool:
    try:
        channel.send(f"[ticklake {collector}] test", f"A test of {channel.name}, sent {at} UTC. Nothing is wrong.")
        outcome = "arrived"
    except RefusedError as error:
        outcome = f"refused: {error}"
    except UnreachableError as error:
        outcome = f"not reached: {error}"
    except Exception as error:  # noqa: BLE001 - nobody foresaw it, so its text may show anything
        outcome = f"failed: unexpected {type(error).__name__}"
    sys.stdout.write(f"{channel.name}: {outcome}\n")
    sys.stdout.flush()  # the next one may take its time
    return outcome == "arrived"


def _refuse(reason: str) -> int:
    sys.stderr.write(f"alerts: {reason}\n")
    return USAGE
