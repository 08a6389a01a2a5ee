"""The lake's objects, on files or on S3: written once, complete or absent; replaced only by whoever knows the newest version."""

import contextlib
import fcntl
import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import urlsplit

from ingest.settings import Lake

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PIECE = 1 << 20  # bytes of a file that are in memory at a time
REFUSED = (401, 403)
EXPIRED = ("ExpiredToken", "RequestExpired", "TokenRefreshRequired")  # with 400
FROZEN = ("GLACIER", "DEEP_ARCHIVE")  # storage classes that an object has to be fetched back from before anybody can read it
PRECONDITION_FAILED = (409, 412)  # 409: another conditional write of the key was under way; nothing was written, ask again


class FrozenError(Exception):
    """An object lies where it cannot be read before it is restored."""

    def __init__(self, key: str) -> None:
        super().__init__(f"object {key} lies in Glacier: restore it first, see docs/operations.md")


class Store(Protocol):
    """What the lake asks of a place. Keys are relative to the lake."""

    def create(self, key: str, data: bytes) -> bool:
        """Write a new object, durably. False: the key is there already, nothing was written."""
        ...

    def get(self, key: str) -> tuple[bytes, str] | None:
        """The object and its version; None where there is none."""
        ...

    def replace(self, key: str, data: bytes, version: str | None) -> str | None:
        """Write over exactly that version (None: over nothing). The new version; None: somebody else was faster."""
        ...

    def put(self, key: str, path: Path) -> None:
        """A file of this disk, however large, over whatever is there; durably, and never in parts."""
        ...

    def local(self, key: str, folder: Path) -> Path:
        """The object as a file of this disk, as old as it is: itself, not to be changed, or a copy in the folder. FileNotFoundError."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object if it is there."""
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys below a prefix that ends with a slash; in order on files and on S3 itself, but not on every S3-like store."""
        ...

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """The same, with the bytes of each."""
        ...

    def frozen(self, keys: Collection[str]) -> Iterator[tuple[str, int]]:
        """Those of these objects that cannot be read before they are restored, with the bytes of each."""
        ...

    def thaw(self, key: str, days: int) -> None:
        """Ask for such an object; hours later it can be read for so many days. Where it is asked for or there already: nothing."""
        ...

    def tag(self, key: str, tags: Mapping[str, str | None]) -> None:
        """Put these on an object, or take them off (None); others stay. For rules that know objects by tags: a folder has none."""
        ...


@dataclass(frozen=True)
class Files:
    """A lake in a folder. Writing goes through a temporary name outside the landing prefix, so that no reader sees a part."""

    root: Path

    def create(self, key: str, data: bytes) -> bool:
        target = self.root / key
        _make_folders(target.parent, self.root)
        part = self._part(io.BytesIO(data))
        try:
            os.link(part, target)
        except FileExistsError:
            return False
        finally:
            part.unlink()
            _sync_folder(target.parent)  # also for False: whoever wrote it may have crashed before this line
        return True

    def get(self, key: str) -> tuple[bytes, str] | None:
        try:
            data = (self.root / key).read_bytes()
        except FileNotFoundError:
            return None
        return data, _version(data)

    def replace(self, key: str, data: bytes, version: str | None) -> str | None:
        target = self.root / key
        _make_folders(target.parent, self.root)
        with self._locked():
            there = self.get(key)
            if (there[1] if there else None) != version:
                return None
            self._part(io.BytesIO(data)).replace(target)
            _sync_folder(target.parent)
        return _version(data)

    def put(self, key: str, path: Path) -> None:
        target = self.root / key
        _make_folders(target.parent, self.root)
        with path.open("rb") as source:
            self._part(source).replace(target)
        _sync_folder(target.parent)

    def local(self, key: str, folder: Path) -> Path:  # noqa: ARG002 - a bucket wants it
        path = self.root / key
        if not path.is_file():
            raise FileNotFoundError(f"object {key}: not there")
        return path

    def delete(self, key: str) -> None:
        (self.root / key).unlink(missing_ok=True)

    def keys(self, prefix: str) -> Iterator[str]:
        try:
            entries = list(os.scandir(self.root / prefix))
        except FileNotFoundError:
            return
        # a folder sorts with its slash, as its keys do on S3
        for name in sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in entries):
            if name.endswith("/"):
                yield from self.keys(prefix + name)
            else:
                yield prefix + name

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        for key in self.keys(prefix):
            with contextlib.suppress(FileNotFoundError):  # removed since
                yield key, (self.root / key).stat().st_size

    def frozen(self, keys: Collection[str]) -> Iterator[tuple[str, int]]:  # noqa: ARG002 - a bucket wants it
        return iter(())

    def thaw(self, key: str, days: int) -> None:
        pass

    def tag(self, key: str, tags: Mapping[str, str | None]) -> None:
        pass

    def _part(self, source: IO[bytes]) -> Path:
        """A complete, fsynced file in a folder that nothing reads."""
        parts = self.root / "control" / "parts"
        parts.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=parts)
        try:
            with os.fdopen(handle, "wb") as part:
                shutil.copyfileobj(source, part, PIECE)
                part.flush()
                os.fsync(part.fileno())
        except OSError:
            Path(name).unlink()  # the next try begins anew; what is left of each would keep a full disk full
            raise
        return Path(name)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        lock = self.root / "control" / "replace.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


@dataclass
class Bucket:
    """A lake in an S3 bucket."""

    client: "S3Client"
    bucket: str
    prefix: str  # empty, or ending with a slash
    kms_key: str | None = None
    connect: Callable[[], "S3Client"] | None = None  # another client, which looks for credentials anew

    def create(self, key: str, data: bytes) -> bool:
        return self._put(key, data, {"IfNoneMatch": "*"}) is not None

    def get(self, key: str) -> tuple[bytes, str] | None:
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=self.prefix + key)
        except self.client.exceptions.NoSuchKey:
            return None
        except self.client.exceptions.InvalidObjectState:
            raise FrozenError(key) from None
        return answer["Body"].read(), answer["ETag"]

    def replace(self, key: str, data: bytes, version: str | None) -> str | None:
        return self._put(key, data, {"IfMatch": version} if version else {"IfNoneMatch": "*"})

    def put(self, key: str, path: Path) -> None:
        self.client.upload_file(str(path), self.bucket, self.prefix + key, ExtraArgs=self._encryption())

    def local(self, key: str, folder: Path) -> Path:
        path = folder / key.rpartition("/")[2]
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=self.prefix + key)
        except self.client.exceptions.NoSuchKey:
            raise FileNotFoundError(f"object {key}: not there") from None
        except self.client.exceptions.InvalidObjectState:
            raise FrozenError(key) from None
        with path.open("wb") as file:
            for piece in answer["Body"].iter_chunks(PIECE):
                file.write(piece)
        written = answer["LastModified"].timestamp()
        os.utime(path, (written, written))
        return path

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=self.prefix + key)

    def keys(self, prefix: str) -> Iterator[str]:
        return (key for key, _ in self.sizes(prefix))

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix + prefix):
            for found in page.get("Contents", []):
                yield found["Key"].removeprefix(self.prefix), found["Size"]

    def frozen(self, keys: Collection[str]) -> Iterator[tuple[str, int]]:
        wanted = set(keys)
        pages = self.client.get_paginator("list_objects_v2")
        for folder in sorted(
            {key.rpartition("/")[0] for key in wanted}
        ):  # a request a folder, and one more an object that is frozen
            for page in pages.paginate(Bucket=self.bucket, Prefix=f"{self.prefix}{folder}/"):
                for found in page.get("Contents", []):
                    key = found["Key"].removeprefix(self.prefix)
                    if key in wanted and found.get("StorageClass") in FROZEN and not self._is_restored(key):
                        yield key, found["Size"]

    def _is_restored(self, key: str) -> bool:
        told = self.client.head_object(Bucket=self.bucket, Key=self.prefix + key).get("Restore", "")
        return 'ongoing-request="false"' in told

    def thaw(self, key: str, days: int) -> None:
        from botocore.exceptions import ClientError  # noqa: PLC0415 - see `_put`

        if self._is_restored(key):
            return
        try:
            self.client.restore_object(
                Bucket=self.bucket,
                Key=self.prefix + key,
                RestoreRequest={"Days": days, "GlacierJobParameters": {"Tier": "Bulk"}},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "RestoreAlreadyInProgress":
                raise

    def tag(self, key: str, tags: Mapping[str, str | None]) -> None:
        name = self.prefix + key
        try:
            told = self.client.get_object_tagging(Bucket=self.bucket, Key=name)["TagSet"]
        except self.client.exceptions.NoSuchKey:
            return
        there = {one["Key"]: one["Value"] for one in told}
        wanted = {tag: value for tag, value in {**there, **tags}.items() if value is not None}
        if there and not wanted:
            self.client.delete_object_tagging(Bucket=self.bucket, Key=name)
        elif wanted != there:
            tag_set: Any = [{"Key": tag, "Value": value} for tag, value in wanted.items()]
            self.client.put_object_tagging(Bucket=self.bucket, Key=name, Tagging={"TagSet": tag_set})

    def _put(self, key: str, data: bytes, condition: dict[str, Any]) -> str | None:
        from botocore.exceptions import ClientError, NoCredentialsError  # noqa: PLC0415 - boto3 takes half a second to import; a lake on files never pays it

        sent = {"Bucket": self.bucket, "Key": self.prefix + key, "Body": data, **condition, **self._encryption()}
        try:
            return self.client.put_object(**sent)["ETag"]
        except NoCredentialsError:
            self._connect_again()
            raise
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status in PRECONDITION_FAILED:
                return None
            if status in REFUSED or error.response["Error"]["Code"] in EXPIRED:
                self._connect_again()
            raise

    def _encryption(self) -> dict[str, Any]:
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.kms_key} if self.kms_key else {}

    def _connect_again(self) -> None:
        """Credentials of a file are read once a client: whoever puts new ones there must not have to restart us."""
        if self.connect is not None:
            self.client = self.connect()


def store(lake: Lake) -> Store:
    """The lake's place."""
    if not lake.path.startswith("s3://"):
        return Files(Path(lake.path).absolute())
    import boto3  # noqa: PLC0415 - see above
    from botocore.config import Config  # noqa: PLC0415 - see above

    where = urlsplit(lake.path)

    def connect() -> "S3Client":
        client = boto3.Session().client(  # a session of its own: the default one remembers the credentials of whoever came first
            "s3",
            endpoint_url=lake.endpoint,
            region_name=lake.region,
            config=Config(
                s3={"addressing_style": "path" if lake.path_style else "auto"},
                retries={"mode": "standard", "max_attempts": 5},
                connect_timeout=5,  # seconds; a stalled request must not outlive the grace period of a stop by much
                read_timeout=20,
            ),
        )
        if lake.endpoint:
            client.meta.events.register("before-call.s3.HeadBucket", cast("Any", _no_other_region))
        return client

    prefix = where.path.strip("/")
    return Bucket(connect(), where.netloc, f"{prefix}/" if prefix else "", lake.kms_key, connect)


def _no_other_region(**_: object) -> tuple[Any, dict[str, Any]]:
    """After a 301 botocore looks for the bucket's region; a store that answers that with a 301, too, is asked hundreds of times."""
    from botocore.awsrequest import AWSResponse  # noqa: PLC0415 - see above
    from botocore.compat import HTTPHeaders  # noqa: PLC0415 - see above

    refusal = {"Error": {"Code": "301"}, "ResponseMetadata": {"HTTPStatusCode": 301, "HTTPHeaders": {}}}
    return AWSResponse("", 301, HTTPHeaders(), None), refusal


def _version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _make_folders(folder: Path, root: Path) -> None:
    """The folder and those above it, up to the lake's root, each synced in its parent: a rename survives a crash only so."""
    if folder.is_dir():
        return
    if folder != root:
        _make_folders(folder.parent, root)
    folder.mkdir(parents=True, exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
