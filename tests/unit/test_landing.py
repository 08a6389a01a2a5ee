"""The lake on files: written once, complete or absent; replaced only over the version that was seen."""

import io
import os
import threading

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError

from ingest.landing import Bucket, Files, store
from ingest.settings import Lake
from tests.support.recording import file_calls

KEY = "landing/channel=trades/venue=binance/market=spot/dt=2024-11-07/17-laptop-abc.jsonl.gz"


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path / "lake")


def tree(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_an_object_is_created_once(files):
    assert files.create(KEY, b"first") is True
    assert files.create(KEY, b"second") is False
    assert tree(files.root) == {KEY: b"first"}


def test_an_object_that_is_there_already_is_durable_too(files, monkeypatch):
    files.create(KEY, b"first")
    with file_calls(monkeypatch, files.root) as calls:
        files.create(KEY, b"second")
    assert ("fsync", KEY.rsplit("/", 1)[0]) in calls


def test_a_new_object_is_durable_before_its_name_is_and_its_name_before_success(files, monkeypatch):
    with file_calls(monkeypatch, files.root.parent) as calls:
        files.create(KEY, b"data")
    folder = f"lake/{KEY.rsplit('/', 1)[0]}"
    written = next(place for place, call in enumerate(calls) if call[0] == "fsync" and call[1].startswith("lake/control/parts/"))
    linked = calls.index(("link", f"lake/{KEY}"))
    assert written < linked < calls.index(("fsync", folder))


def test_every_new_folder_is_synced_in_the_one_above(files, monkeypatch):
    with file_calls(monkeypatch, files.root.parent) as calls:
        files.create("landing/a/b/x", b"data")
    synced = [path for call, path in calls if call == "fsync"]
    assert synced.index(".") < synced.index("lake") < synced.index("lake/landing") < synced.index("lake/landing/a")
    assert synced[-1] == "lake/landing/a/b"


def test_a_crash_while_writing_leaves_nothing_that_a_reader_sees(files, monkeypatch):
    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "link", crash)
    with pytest.raises(KeyboardInterrupt):
        files.create(KEY, b"data")
    assert list(files.keys("landing/")) == []


def test_a_file_takes_the_place_of_an_object_and_is_durable_before_it_does(files, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.write_bytes(b"a large file")
    files.create(KEY, b"before")
    with file_calls(monkeypatch, files.root.parent) as calls:
        files.put(KEY, other)
    written = next(place for place, call in enumerate(calls) if call[0] == "fsync" and call[1].startswith("lake/control/parts/"))
    named = calls.index(("replace", f"lake/{KEY}"))
    assert written < named < calls.index(("fsync", f"lake/{KEY.rsplit('/', 1)[0]}"))
    assert (tree(files.root), other.read_bytes()) == ({KEY: b"a large file"}, b"a large file")


def test_an_object_is_a_file_of_this_disk(files, tmp_path):
    files.create(KEY, b"data")
    assert files.local(KEY, tmp_path) == files.root / KEY
    with pytest.raises(FileNotFoundError, match="object a/b: not there"):
        files.local("a/b", tmp_path)


def test_a_write_that_a_full_disk_refuses_leaves_nothing_of_itself(files, monkeypatch):
    def full(_handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            files._part(io.BytesIO(b"data"))
    assert list((files.root / "control" / "parts").iterdir()) == []


def test_an_object_and_its_version(files):
    assert files.get(KEY) is None
    files.create(KEY, b"data")
    data, version = files.get(KEY)
    assert data == b"data"
    assert files.replace(KEY, b"more", "another version") is None
    newer = files.replace(KEY, b"more", version)
    assert files.get(KEY) == (b"more", newer)
    assert newer != version
    assert files.replace(KEY, b"lost", version) is None
    assert tree(files.root / "landing") == {KEY.removeprefix("landing/"): b"more"}


def test_replacing_nothing(files):
    version = files.replace("control/lease/a.json", b"mine", None)
    assert files.get("control/lease/a.json") == (b"mine", version)
    assert files.replace("control/lease/a.json", b"theirs", None) is None


def test_of_many_who_replace_one_version_one_wins(files):
    version = files.replace("x", b"0", None)
    won = []

    def attempt(number):
        if files.replace("x", b"%d" % number, version):
            won.append(b"%d" % number)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [files.get("x")[0]] == won


def test_a_deleted_object_is_gone_and_may_be_gone_already(files):
    files.create(KEY, b"data")
    files.delete(KEY)
    files.delete(KEY)
    assert files.get(KEY) is None


def test_keys_come_in_the_order_of_s3(files):
    names = ["a/z", "a.b/y", "a/b/x", "a-b", "a0/c"]
    for name in names:
        files.create(f"p/{name}", b"")
    assert list(files.keys("p/")) == sorted(f"p/{name}" for name in names)
    assert list(files.keys("q/")) == []


def test_a_lake_on_s3_speaks_boto3_with_its_own_addresses():
    place = store(Lake("s3://ticks/some/prefix/", endpoint="http://127.0.0.1:1", region="eu-west-1", path_style=True))
    assert isinstance(place, Bucket)
    assert (place.bucket, place.prefix) == ("ticks", "some/prefix/")
    assert place.client.meta.endpoint_url == "http://127.0.0.1:1"
    assert place.client.meta.region_name == "eu-west-1"
    assert store(Lake("s3://ticks", region="eu-west-1")).prefix == ""


def refuse(code, status):
    """An S3 that answers so to everything."""

    def answer(**_):
        return AWSResponse("", status, HTTPHeaders(), None), {
            "Error": {"Code": code},
            "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}},
        }

    return answer


@pytest.mark.parametrize(
    ("code", "status", "is_asked_anew"),
    [("ExpiredToken", 400, True), ("AccessDenied", 403, True), ("NoSuchBucket", 404, False), ("SlowDown", 503, False)],
)
def test_refused_credentials_are_looked_for_anew(monkeypatch, code, status, is_asked_anew):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "old")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    place = store(Lake("s3://ticks", endpoint="http://127.0.0.1:1", region="eu-west-1", path_style=True))
    place.client.meta.events.register("before-call.s3.PutObject", refuse(code, status))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "new")
    with pytest.raises(ClientError, match=code):
        place.create(KEY, b"data")
    used = place.client._request_signer._credentials.access_key
    assert used == ("new" if is_asked_anew else "old")


def test_a_lake_on_files_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert store(Lake("./lake")) == Files(tmp_path / "lake")
