"""The rules by which a bucket moves a lake's old objects to Glacier, and the way back from there."""

import argparse
import copy
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest import landing
from ingest.landing import Bucket
from ingest.settings import SettingsError, load

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RULES = Path(__file__).resolve().parent.parent / "conf" / "aws" / "lifecycle.json"
DAYS = 7  # that a restored object can be read
DONE, FAILED, USAGE = 0, 1, 2
Rule = Mapping[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Apply them, show them, or restore what a job has named."""
    made = argparse.ArgumentParser(
        prog="python -m setup.lifecycle",
        description="Put the rules of conf/aws/lifecycle.json onto the lake's bucket, beside those that are there; or restore objects.",
        epilog="example: python -m setup.lifecycle --conf conf/prod.yaml --dry-run",
    )
    made.add_argument("--conf", required=True, type=Path, metavar="FILE", help="the configuration, such as conf/prod.yaml")
    made.add_argument("--dry-run", action="store_true", help="print what the bucket would have, and change nothing")
    made.add_argument(
        "--restore", metavar="LIST", help="instead: ask for the objects of this list, such as control/restore/rebuild-….txt"
    )
    chosen = made.parse_args(arguments)
    try:
        store = landing.store(load(chosen.conf).lake)
    except SettingsError as error:
        return _fail(str(error), USAGE)
    if not isinstance(store, Bucket):
        return _fail(f"{chosen.conf}: lake is a folder; only a bucket has rules: s3://bucket/prefix", USAGE)
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - half a second, which --help need not take

    try:
        return _restore(store, chosen.restore) if chosen.restore else _apply(store, is_dry=chosen.dry_run)
    except (BotoCoreError, ClientError) as error:
        return _fail(str(error), FAILED)


def _apply(store: Bucket, *, is_dry: bool) -> int:
    there = configuration(store.client, store.bucket)
    wanted = rules(store.prefix)
    now = {**there, "Rules": merged(there["Rules"], wanted)}
    if is_dry:
        print(json.dumps(now, indent=2))
        return DONE
    if now != there:
        store.client.put_bucket_lifecycle_configuration(
            Bucket=store.bucket,
            LifecycleConfiguration={"Rules": now["Rules"]},
            **{key: value for key, value in now.items() if key == "TransitionDefaultMinimumObjectSize"},
        )
    others = len(now["Rules"]) - len(wanted)
    print(f"lifecycle: {len(wanted)} rules of ours, {others} of others{'' if now != there else '; nothing to change'}")
    return DONE


def _restore(store: Bucket, name: str) -> int:
    found = store.get(name)
    if found is None:
        return _fail(f"--restore {name}: not in the lake; a job that needs objects of Glacier names its list", USAGE)
    frozen = [key for key, _ in store.frozen(found[0].decode().split("\n")[:-1])]
    for key in frozen:
        store.thaw(key, DAYS)
    print(f"lifecycle: {len(frozen)} objects asked for; in some hours each can be read, for {DAYS} days")
    return DONE


def configuration(client: "S3Client", bucket: str) -> dict[str, Any]:
    """What the bucket has."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - see above

    try:
        told = dict(client.get_bucket_lifecycle_configuration(Bucket=bucket))
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchLifecycleConfiguration":
            raise
        return {"Rules": []}
    return {key: value for key, value in told.items() if key != "ResponseMetadata"}


def rules(prefix: str) -> list[dict[str, Any]]:
    """Ours, for a lake at that prefix (empty, or ending with a slash). Two lakes in one bucket do not share a rule."""
    found = json.loads(RULES.read_text(encoding="utf-8"))["Rules"]
    for rule in found:
        rule["ID"] += f"@{prefix}" if prefix else ""
        place = rule["Filter"].get("And", rule["Filter"])
        place["Prefix"] = prefix + place["Prefix"]
    return list(found)


def merged(there: Sequence[Rule], wanted: Sequence[Rule]) -> list[Rule]:
    """Ours in the place of those of before; whatever others have put there stays as it is."""
    ends = {str(rule["ID"]).partition("@")[2] for rule in wanted}
    others = [rule for rule in there if not _is_ours(str(rule.get("ID", "")), ends)]
    return [*copy.deepcopy(others), *wanted]


def _is_ours(name: str, ends: set[str]) -> bool:
    return name.startswith("ticklake-") and name.partition("@")[2] in ends


def _fail(what: str, code: int) -> int:
    print(f"lifecycle: {what}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
