"""What is kept of Trino's archive, and what is refused; how answers are shown."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from setup import trino
from setup.jars import Jar, JarsError
from tests.athena.cli import table

FILES = (
    "bin/launcher",
    "lib/a.jar",
    "plugin/iceberg/shared.jar",
    "plugin/hive/own.jar",
    "plugin/kafka/k.jar",
    "secrets-plugin/s.jar",
    "NOTICE",
)


def archive(folder: Path) -> tuple[Path, Jar]:
    path = folder / "trino-server.tar.gz"
    with tarfile.open(path, "w:gz") as made:
        for name in FILES:
            member = tarfile.TarInfo(f"trino-server-9/{name}")
            member.size = len(name)
            made.addfile(member, io.BytesIO(name.encode()))
        link = tarfile.TarInfo("trino-server-9/plugin/hive/shared.jar")
        link.type, link.linkname = tarfile.LNKTYPE, "trino-server-9/plugin/iceberg/shared.jar"
        made.addfile(link)
    return path, Jar("io.trino:trino-server:9", hashlib.sha256(path.read_bytes()).hexdigest())


def test_what_is_asked_here_is_kept_also_where_it_is_a_link_into_what_is_not(tmp_path: Path):
    whole = trino.unpacked(*archive(tmp_path))
    there = {path.relative_to(whole).as_posix(): path.read_text() for path in whole.rglob("*") if path.is_file()}
    assert there == {
        "bin/launcher": "bin/launcher",
        "lib/a.jar": "lib/a.jar",
        "plugin/hive/own.jar": "plugin/hive/own.jar",
        "plugin/hive/shared.jar": "plugin/iceberg/shared.jar",
        "NOTICE": "NOTICE",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["trino-server-9"]


def test_an_archive_that_is_not_the_locked_one_is_refused(tmp_path: Path):
    packed, right = archive(tmp_path)
    with pytest.raises(JarsError, match=rf"io.trino:trino-server:9 has sha256 {right.sha256}, trino.lock says 00"):
        trino.unpacked(packed, Jar(right.coordinate, "00"))
    assert [path.name for path in tmp_path.iterdir()] == [packed.name]


def test_the_lock_names_one_archive():
    assert trino.server().name == trino.pinned().coordinate.partition("trino-server:")[2]
    assert "name='trino-server'" in trino.ask(trino.pinned())


def test_answers_are_columns():
    assert (
        table([{"pair": "BTC-USDT", "n": 1}, {"pair": "x", "n": None}])
        == "pair      n\n--------  ----\nBTC-USDT  1\nx         None"
    )
    assert table([]) == "no rows"
    assert table([{"n": n} for n in range(60)]).endswith("\n49\n… 10 rows more")
