"""What travels: the zip, the wheel, and names that nobody else has."""

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from setup import package
from tests.support.project import HOME, copy_of_project


def built(folder: Path) -> Path:
    done = subprocess.run([sys.executable, "-m", "setup.package"], cwd=folder, capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copy_of_project(tmp_path / "project")


def test_the_zip_holds_ingest_jobs_and_yaml_and_nothing_else(project: Path):
    ours = {path.relative_to(project).as_posix() for name in ("ingest", "jobs") for path in (project / name).rglob("*.py")}
    with zipfile.ZipFile(built(project)) as archive:
        names = archive.namelist()
        content = {name: archive.read(name) for name in ours}
    assert {name for name in names if not name.startswith("yaml/")} == ours
    assert {"yaml/__init__.py", "yaml/loader.py"} < set(names)
    assert all(name.endswith(".py") for name in names)
    assert names == sorted(names)  # so that a folder's own order does not matter
    assert content == {name: (project / name).read_bytes() for name in ours}


def test_the_same_sources_give_the_same_bytes(project: Path, tmp_path: Path):
    other = copy_of_project(tmp_path / "elsewhere")
    for path in (other / "jobs").rglob("*.py"):
        os.utime(path, (1, 1))
    assert built(project).read_bytes() == built(other).read_bytes()


@pytest.mark.parametrize("change", ["edit", "replace by an older file", "add", "remove"])
def test_the_zip_is_built_again_when_a_source_changes_and_only_then(project: Path, change: str):
    target = built(project)
    before = target.stat().st_mtime_ns
    built(project)
    assert target.stat().st_mtime_ns == before
    extra = project / "jobs/tables/extra.py"
    if change == "add":
        extra.touch()
    elif change == "remove":
        (project / "jobs/tables/quarantine.py").unlink()
    else:
        (project / "jobs/__init__.py").write_text("'''Other.'''")
        if change != "edit":
            os.utime(project / "jobs/__init__.py", (1, 1))
    built(project)
    with zipfile.ZipFile(target) as archive:
        assert ("jobs/tables/extra.py" in archive.namelist()) == (change == "add")
        assert ("jobs/tables/quarantine.py" in archive.namelist()) == (change != "remove")
        assert (archive.read("jobs/__init__.py") == b"'''Other.'''") == (change not in ("add", "remove"))


def test_a_zip_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    target = tmp_path / "dist/x.zip"
    package.put(b"old", target)

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        package.put(b"new", target)
    assert [(path.name, path.read_bytes()) for path in target.parent.iterdir()] == [("x.zip", b"old")]


def test_no_job_has_the_name_of_a_standard_module():
    # the script's own folder comes first in sys.path: a job called queue.py would be everybody's queue
    assert not {path.stem for path in (HOME / "jobs").glob("*.py")} & sys.stdlib_module_names


def test_no_test_folder_shadows_a_package():
    folders = {path.name for path in (HOME / "tests").iterdir() if path.is_dir()}
    assert not folders & {"jobs", "ingest", "conf"}
    assert not list((HOME / "tests").rglob("__init__.py"))


@pytest.mark.parametrize("name", ["ingest", "jobs"])
def test_the_packages_that_python_finds_are_ours(name: str):
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin == str(HOME / name / "__init__.py")


def test_the_wheel_holds_ingest_and_jobs_and_nothing_else(project: Path, tmp_path: Path):
    (project / "pyproject.toml").write_bytes((HOME / "pyproject.toml").read_bytes())
    (project / "README.md").touch()
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
        ".",
    ]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("ticklake-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
        assert "Private :: Do Not Upload" in archive.read("ticklake-0.1.0.dist-info/METADATA").decode()
    assert tops == {"ingest", "jobs", "ticklake-0.1.0.dist-info"}
