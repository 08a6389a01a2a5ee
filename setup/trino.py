"""Trino, whose engine is Athena's: fetched once, verified, and without the plugins that nobody asks here."""

import argparse
import hashlib
import shutil
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from setup.jars import CACHE, HOME, Jar, JarsError, read_lock, retrieve

LOCK = HOME / "conf" / "trino.lock"
FOLDER = CACHE / "trino"
KEPT = ("hive", "delta-lake", "memory", "tpch")  # of its plugins; all of them are 3 GB
PARTS = ("bin", "lib")


def server(folder: Path = FOLDER) -> Path:
    """Where it is, or will be."""
    return folder / pinned().coordinate.rpartition(":")[2]


def pinned(lock: Path = LOCK) -> Jar:
    """The archive that the lock names."""
    (found,) = read_lock(lock.read_text(encoding="utf-8"))
    return found


def ask(archive: Jar) -> str:
    """What ivy is asked for. Without its pom: that names hundreds of others, for nothing."""
    group, artifact, version = archive.coordinate.split(":")
    return (
        "<ivy-module version='2.0'><info organisation='ticklake' module='trino'/><configurations><conf name='default'/>"
        f"</configurations><dependencies><dependency org='{group}' name='{artifact}' rev='{version}' conf='default->default'>"
        f"<artifact name='{artifact}' type='tar.gz' ext='tar.gz'/></dependency></dependencies></ivy-module>"
    )


def fetch(lock: Path = LOCK, folder: Path = FOLDER) -> str:
    """Have it there. What it did, in a sentence; nothing where nothing was to do."""
    archive = pinned(lock)
    target = server(folder)
    if target.is_dir():
        return ""
    print(f"==> {archive.coordinate}: 821 MB, of which 400 MB are kept")
    fresh = folder / "new"
    shutil.rmtree(fresh, ignore_errors=True)
    retrieve(ask(archive), fresh, "[artifact].[ext]", types=["tar.gz"], poms=False)
    (packed,) = fresh.glob("*.tar.gz")
    unpacked(packed, archive).rename(target)
    shutil.rmtree(fresh)
    shutil.rmtree(CACHE / "ivy" / "cache" / "io.trino", ignore_errors=True)  # the archive once more
    return f"{target.name} fetched and verified\n"


def unpacked(packed: Path, archive: Jar) -> Path:
    """The folder beside it, of what is asked here; the archive itself goes."""
    with packed.open("rb") as source:
        found = hashlib.file_digest(source, "sha256").hexdigest()
    if found != archive.sha256:
        raise JarsError(f"{archive.coordinate} has sha256 {found}, {LOCK.name} says {archive.sha256}: somebody changed it")
    with tarfile.open(packed) as all_:
        all_.extractall(packed.parent, filter="tar")  # all: its plugins share files, by links to whichever came first
    packed.unlink()
    (whole,) = packed.parent.iterdir()
    for part in whole.iterdir():
        if part.name == "plugin":
            for plugin in part.iterdir():
                if plugin.name not in KEPT:
                    shutil.rmtree(plugin)
        elif part.is_dir() and part.name not in PARTS:
            shutil.rmtree(part)
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch it."""
    argparse.ArgumentParser(description=__doc__).parse_args(arguments)
    try:
        print(fetch(), end="")
    except JarsError as error:
        print(f"trino: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\nstopped; the same command goes on from here")
