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
_PIECE = 1 << 20


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
    if (found := sha256(packed)) != archive.sha256:
        raise JarsError(f"{archive.coordinate} has sha256 {found}, {lock.name} says {archive.sha256}: somebody changed it")
    unpack(packed, fresh)
    packed.unlink()
    (whole,) = fresh.iterdir()
    keep(whole)
    whole.rename(target)
    shutil.rmtree(fresh)
    shutil.rmtree(CACHE / "ivy" / "cache" / "io.trino", ignore_errors=True)  # the archive once more
    return f"{target.name} fetched and verified\n"


def sha256(file: Path) -> str:
    """Of a file that is not read into memory."""
    found = hashlib.sha256()
    with file.open("rb") as source:
        while piece := source.read(_PIECE):
            found.update(piece)
    return found.hexdigest()


def unpack(packed: Path, into: Path) -> None:
    """All of it: its plugins share files, by links to whichever came first."""
    with tarfile.open(packed) as archive:
        archive.extractall(into, filter="tar")


def keep(whole: Path) -> None:
    """Remove what is not asked here."""
    for part in whole.iterdir():
        if part.name == "plugin":
            for plugin in part.iterdir():
                if plugin.name not in KEPT:
                    shutil.rmtree(plugin)
        elif part.is_dir() and part.name not in PARTS:
            shutil.rmtree(part)


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
