"""Objects that grow old: which rules a bucket gets, what lies in Glacier and comes back, and what history has replaced."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingest import landing
from ingest.landing import Bucket, Files, FrozenError
from ingest.settings import Lake
from jobs.compact import unpublished
from jobs.exports import files as exported
from jobs.exports.files import Making
from jobs.exports.layouts import LAYOUTS
from jobs.history.files import CHECKSUM, ROOT, Month, inbox
from jobs.history.replaced import LISTED, Replaced
from jobs.runtime import archive, frozen
from jobs.runtime.lake import LakeError, Place
from setup import lifecycle
from tests.support.aws import ENVIRONMENT, aws
from tests.support.lines import Collector, landed

if TYPE_CHECKING:
    from mypy_boto3_s3.literals import StorageClassType

OTHERS = {"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 7}}
TAGGED = {"ticklake": "replaced"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with aws() as found:
        yield found


@pytest.fixture
def store(endpoint: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Bucket:
    """A bucket of the test's own, with a lake below a prefix."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    name = request.node.name.replace("_", "-")[:60].rstrip("-")
    found = landing.store(Lake(f"s3://{name}/a/lake", endpoint, "us-east-1", path_style=True))
    assert isinstance(found, Bucket)
    found.client.create_bucket(Bucket=name)
    return found


@pytest.fixture
def conf(store: Bucket, endpoint: str, tmp_path: Path) -> str:
    lake = {"path": f"s3://{store.bucket}/a/lake", "endpoint": endpoint, "region": "us-east-1", "path_style": True}
    path = tmp_path / "conf.yaml"
    path.write_text(json.dumps({"lake": lake, "ingest": {"collector": "test"}}))
    return str(path)


def put(store: Bucket, key: str, data: bytes = b"1" * 10, storage: "StorageClassType" = "STANDARD") -> str:
    store.client.put_object(Bucket=store.bucket, Key=store.prefix + key, Body=data, StorageClass=storage)
    return key


def tags(store: Bucket, key: str) -> dict[str, str]:
    told = store.client.get_object_tagging(Bucket=store.bucket, Key=store.prefix + key)["TagSet"]
    return {one["Key"]: one["Value"] for one in told}


def there(store: Bucket) -> list[dict[str, Any]]:
    return [dict(rule) for rule in store.client.get_bucket_lifecycle_configuration(Bucket=store.bucket)["Rules"]]


def told_by_moto(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """It forgets the sizes."""
    return json.loads(json.dumps(rules), object_hook=lambda told: {k: v for k, v in told.items() if k != "ObjectSizeGreaterThan"})


def by_id(rules: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {rule["ID"]: rule for rule in rules}


# --- the rules


def test_rules_are_of_the_lake_s_places_and_leave_what_is_read_again_and_again_where_it_is():
    told = {rule["ID"]: rule for rule in json.loads(lifecycle.RULES.read_text())["Rules"]}
    places = {name: rule["Filter"].get("And", rule["Filter"])["Prefix"] for name, rule in told.items()}
    assert places == {
        "ticklake-archive": "archive/",
        "ticklake-inbox": ROOT,
        "ticklake-replaced": ROOT,
        "ticklake-books-as-csv": f"exports/{LAYOUTS['s0'].name}/",
        "ticklake-torn-uploads": "",
    }
    moved = {name: rule["Filter"]["And"]["ObjectSizeGreaterThan"] for name, rule in told.items() if "Transitions" in rule}
    assert {rule["Transitions"][0]["StorageClass"] for rule in told.values() if "Transitions" in rule} <= {*landing.FROZEN}
    # an index has 250 bytes an object; of a day of one a minute it is read by every rebuild. A checksum by every run of compact
    assert moved["ticklake-archive"] >= 1440 * 300
    assert min(moved.values()) >= 128 * 1024
    (removes,) = (rule for rule in told.values() if "Expiration" in rule)
    assert removes["Filter"] == {"And": {"Prefix": ROOT, "Tags": [{"Key": "ticklake", "Value": "replaced"}]}}


def test_what_seals_puts_where_the_rule_looks(tmp_path: Path):
    key, data = landed([Collector("a-1-1").aggregate(1)])
    files = Files(tmp_path)
    files.create(key, data)
    archive.seal(files, [key], stopping=lambda: False)
    assert {name.partition("/")[0] for name in files.keys("archive/")} == {"archive"}
    assert len(list(files.keys("archive/"))) == 2


def test_the_rules_come_beside_those_of_others_and_no_second_time(store: Bucket, conf: str, capsys: pytest.CaptureFixture[str]):
    neighbour = [rule | {"ID": rule["ID"].replace("a/lake/", "b/")} for rule in lifecycle.rules("a/lake/")]
    before: Any = {"Rules": [OTHERS, *neighbour]}
    store.client.put_bucket_lifecycle_configuration(Bucket=store.bucket, LifecycleConfiguration=before)
    assert lifecycle.main(["--conf", conf, "--dry-run"]) == 0
    shown = json.loads(capsys.readouterr().out)["Rules"]
    assert (len(there(store)), len(shown)) == (6, 11)
    for _ in range(2):
        assert lifecycle.main(["--conf", conf]) == 0
        assert capsys.readouterr().out.startswith("lifecycle: 5 rules of ours, 6 of others")
        assert by_id(there(store)) == by_id(told_by_moto([OTHERS, *neighbour, *lifecycle.rules("a/lake/")]))
    assert shown[6:] == lifecycle.rules("a/lake/")
    assert [rule["ID"] for rule in shown[6:]][:2] == ["ticklake-archive@a/lake/", "ticklake-inbox@a/lake/"]
    assert shown[6]["Filter"] == {"And": {"Prefix": "a/lake/archive/", "ObjectSizeGreaterThan": 1000000}}


def test_a_rule_of_ours_that_is_no_more_goes():
    old = {"ID": "ticklake-old@a/lake/", "Status": "Enabled", "Filter": {"Prefix": "a/lake/x/"}, "Expiration": {"Days": 1}}
    assert lifecycle.merged([old, OTHERS], lifecycle.rules("a/lake/")) == [OTHERS, *lifecycle.rules("a/lake/")]
    assert lifecycle.merged([old], lifecycle.rules(""))[0] == old  # of another lake


def test_a_folder_has_no_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "conf.yaml"
    path.write_text(f"lake: {tmp_path}\ningest: {{collector: test}}\n")
    assert lifecycle.main(["--conf", str(path)]) == 2
    assert capsys.readouterr().err == f"lifecycle: {path}: lake is a folder; only a bucket has rules: s3://bucket/prefix\n"


# --- Glacier


def test_what_is_needed_and_frozen_is_named_before_anything_is_done(store: Bucket, conf: str, capsys: pytest.CaptureFixture[str]):
    """All of it in a list, which a command restores; then the job goes on."""
    parts = [put(store, f"archive/day={day}/part-1.jsonl.gz", storage="GLACIER") for day in range(1, 5)]
    deep = put(store, "archive/day=5/part-1.jsonl.gz", storage="DEEP_ARCHIVE")
    put(store, "archive/day=5/part-2.jsonl.gz", storage="GLACIER")  # nobody needs it
    warm = [put(store, "archive/day=5/part-3.jsonl.gz"), put(store, "archive/day=5/part-4.jsonl.gz", storage="GLACIER_IR")]
    needed = [*warm, deep, *parts, "archive/day=6/not-there"]
    where = Place(f"s3://{store.bucket}/a/lake", store)
    with pytest.raises(LakeError) as error:
        frozen.refuse(where, "rebuild", needed)
    (listed,) = store.keys("control/restore/")
    assert str(error.value) == (
        f"5 objects that are needed lie in Glacier, 50 bytes: {parts[0]}, {parts[1]}, {parts[2]} and 2 more. Nothing was done. "
        f"Restore them by `python -m setup.lifecycle --conf FILE --restore {listed}`, and run this again some hours later"
    )
    assert (store.get(listed) or (b"", ""))[0].decode().splitlines() == [*parts, deep]
    for key in (parts[0], deep):
        with pytest.raises(FrozenError, match=f"object {key} lies in Glacier: restore it first"):
            store.get(key)
    with pytest.raises(FrozenError):
        store.local(deep, Path("/nowhere"))
    assert lifecycle.main(["--conf", conf, "--restore", listed]) == 0
    assert capsys.readouterr().out == "lifecycle: 5 objects asked for; in some hours each can be read, for 7 days\n"
    frozen.refuse(where, "rebuild", needed)
    assert [key for key, _ in store.frozen([*needed, "archive/day=5/part-2.jsonl.gz"])] == ["archive/day=5/part-2.jsonl.gz"]
    assert lifecycle.main(["--conf", conf, "--restore", listed]) == 0
    assert capsys.readouterr().out.startswith("lifecycle: 0 objects asked for")
    assert lifecycle.main(["--conf", conf, "--restore", "control/restore/x.txt"]) == 2


def test_a_file_in_glacier_is_written_over(store: Bucket, endpoint: str):
    """One that changed after months: of its name there is one only."""
    lake = Lake(f"s3://{store.bucket}/a/lake", endpoint, "us-east-1", path_style=True)
    old, new = put(store, "exports/s0/x.csv", storage="GLACIER"), put(store, "exports/.making/x", b"new")
    (told,) = exported.put(lake, [Making(new, "x.csv", "exports/s0/", old, is_append_only=False)])
    assert (told.is_new, store.get(old)) == (True, (b"new", store.get(new)[1]))  # type: ignore[index]  # it is there


# --- what history has replaced

MONTH = Month("trades", "binance", "spot", "agg_trade", "BTC-USDT", 2024, 1)
DAILY = "inbox/binance/spot/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-01-{:02}.zip"
MONTHLY = "inbox/binance/spot/monthly/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-01.zip"


def test_files_that_history_was_made_of_are_tagged_once_and_no_more_when_they_are_not(store: Bucket):
    days = [put(store, DAILY.format(day)) for day in (1, 2, 3)]
    for key in days:
        put(store, key + CHECKSUM)
    store.tag(days[0], {"owner": "us"})
    sums = {key: f"sha-{key[-6]}" for key in days}
    replaced, found = Replaced(store), inbox([*days, *(key + CHECKSUM for key in days)])
    replaced.tell(found, sums, {MONTH: {key: sums[key] for key in days[:2]}})  # of the third nothing is in history yet
    assert [tags(store, key) for key in days] == [{"owner": "us"}, {}, {}]
    replaced.tell(found, sums, {MONTH: sums})
    assert [tags(store, key) for key in days] == [{"owner": "us"} | TAGGED, TAGGED, TAGGED]
    assert {key: tags(store, key + CHECKSUM) for key in days} == dict.fromkeys(days, TAGGED)
    assert replaced.read() == sums
    replaced.tell(found, sums, {})  # withdrawn
    assert [tags(store, key) for key in days] == [{"owner": "us"}, {}, {}]
    assert json.loads((store.get(LISTED) or (b"", ""))[0]) == {"v": 1, "files": {}}


def test_a_file_that_was_put_anew_is_not_replaced_before_history_is_made_of_it(store: Bucket):
    key = put(store, DAILY.format(1))
    put(store, key + CHECKSUM)
    found, replaced = inbox([key, key + CHECKSUM]), Replaced(store)
    replaced.tell(found, {key: "old"}, {MONTH: {key: "old"}})
    put(store, key)  # without a tag, as all that is put
    replaced.tell(found, {key: "new"}, {MONTH: {key: "old"}})
    assert (tags(store, key), replaced.read()) == ({}, {})
    replaced.tell(found, {key: "new"}, {MONTH: {key: "new"}})
    assert (tags(store, key), replaced.read()) == (TAGGED, {key: "new"})
    put(store, key)
    replaced.tell(found, {key: "newer"}, {MONTH: {key: "newer"}})  # made of it at once
    assert (tags(store, key), replaced.read()) == (TAGGED, {key: "newer"})


def test_the_days_of_a_month_that_was_made_of_the_month_s_file_are_replaced_too(store: Bucket):
    keys = [put(store, DAILY.format(1)), put(store, MONTHLY)]
    for key in keys:
        put(store, key + CHECKSUM)
    sums = {keys[0]: "day", keys[1]: "month"}
    replaced = Replaced(store)
    replaced.tell(inbox([*keys, *(key + CHECKSUM for key in keys)]), sums, {MONTH: {keys[1]: "month"}})
    assert [tags(store, key) for key in keys] == [TAGGED, TAGGED]
    # the month's file is removed first: the day stays known, so that history is not made anew of it alone
    replaced.tell(inbox([keys[0], keys[0] + CHECKSUM]), {keys[0]: "day"}, {MONTH: {keys[1]: "month"}})
    assert (replaced.read(), tags(store, keys[0])) == ({keys[0]: "day"}, TAGGED)


def test_a_month_is_not_made_of_what_is_left_of_its_files():
    """The month's file was removed by the rule, days of it are still there: history has them. A new one is another thing."""
    days = [DAILY.format(day) for day in (1, 2)]
    found = inbox([*days, *(key + CHECKSUM for key in days)])
    was, sums = {MONTH: {MONTHLY: "month"}}, {days[0]: "one", days[1]: "two"}
    assert unpublished(found, sums, was, sums) == ([], [])
    assert unpublished(found, sums, {MONTH: {days[0]: "one", MONTHLY: "month"}}, {days[1]: "two"}) == ([], [])
    new, (said,) = unpublished(found, sums, was, {days[0]: "one"})
    assert (new, said.partition(":")[0]) == ([], MONTH.key)
    (again,) = unpublished(found, sums, {}, sums)[0]  # withdrawn
    assert [file.key for file in again.taken] == days
