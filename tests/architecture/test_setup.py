"""What set-up says when a machine lacks something, and that it takes no jar that is not the locked one."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from setup import archive, jars, sparkconf

HOME = Path(__file__).parents[2]
TOOLS = ("bash", "sed", "dirname", "env")
PYTHON_FIX = "sudo apt-get install python3.11 python3.11-venv (or name one: make setup PYTHON=/path/to/python3.11)"
JAVA_FIX = "sudo apt-get install openjdk-17-jre-headless (or set JAVA_HOME to a Java 17)"


class Machine:
    """A machine that has only what a test gives it: fake programs in a folder, which is the whole PATH."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        for tool in TOOLS:
            (folder / tool).symlink_to(shutil.which(tool) or tool)
        self.has("apt-get")

    def has(self, program: str, says: str = "") -> "Machine":
        file = self.path / program
        stream = 2 if program == "java" else 1  # where a real one says its version
        file.write_text(f"#!{shutil.which('bash')}\necho '{says}' >&{stream}\n")
        file.chmod(0o755)
        return self

    def run(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        bash = shutil.which("bash") or "bash"
        env = {"PATH": str(self.path), **environment}
        return subprocess.run([bash, "-c", script], env=env, capture_output=True, text=True, check=False)

    def check(self, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(HOME / "setup/prerequisites.sh"), **environment)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    folder = tmp_path / "bin"
    folder.mkdir()
    return Machine(folder)


JAVA_17 = 'openjdk version "17.0.15" 2025-04-15'


def test_a_machine_with_both_is_right_and_its_python_is_named(machine: Machine):
    done = machine.has("python3.11", "Python 3.11.9").has("java", JAVA_17).check()
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{machine.path}/python3.11\n", "")


@pytest.mark.parametrize(
    ("has", "found"),
    [
        ({}, "no Python is here"),
        ({"python3": "Python 3.12.3"}, "Python 3.12.3 is here"),
        ({"python3.11": "Python 3.13.0"}, "Python 3.13.0 ({path}/python3.11) is here"),
    ],
)
def test_a_wrong_python_is_named_with_what_fixes_it(machine: Machine, has: dict[str, str], found: str):
    machine.has("java", JAVA_17)
    for program, says in has.items():
        machine.has(program, says)
    done = machine.check()
    expected = f"ticklake cannot run here:\n  Python: {found.format(path=machine.path)}, Python 3.11 is needed: {PYTHON_FIX}\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)


def test_for_the_sweeps_a_machine_brings_strace_too(machine: Machine):
    machine.has("python3.11", "Python 3.11.9").has("java", JAVA_17)
    check = f"{HOME}/setup/prerequisites.sh faults"
    expected = "strace: it is not here, and makes system calls fail in tests: sudo apt-get install strace"
    assert machine.run(check).stderr == f"ticklake cannot run here:\n  {expected}\n"
    assert machine.has("strace").run(check).stderr == ""


def test_a_python_that_makes_no_environments_is_named(machine: Machine):
    machine.has("java", JAVA_17)
    python = machine.path / "python3.11"
    python.write_text(f"#!{shutil.which('bash')}\n[[ $1 != -c ]] || exit 1\necho Python 3.11.2\n")
    python.chmod(0o755)
    expected = f"Python 3.11.2 is here without its module ensurepip, which makes virtual environments: {PYTHON_FIX}"
    assert expected in machine.check().stderr


@pytest.mark.parametrize(
    ("says", "found"),
    [
        ('openjdk version "21.0.2" 2024-01-16', "Java 21.0.2 ({path}/java) is here"),
        ('java version "1.8.0_372"', "Java 1.8.0_372 ({path}/java) is here"),
        ('openjdk version "170.1"', "Java 170.1 ({path}/java) is here"),
    ],
)
def test_a_wrong_java_is_named_with_what_fixes_it(machine: Machine, says: str, found: str):
    done = machine.has("python3.11", "Python 3.11.9").has("java", says).check()
    expected = f"ticklake cannot run here:\n  Java: {found.format(path=machine.path)}, Java 17 is needed: {JAVA_FIX}\n"
    assert (done.returncode, done.stderr) == (1, expected)


def test_no_java_and_a_java_home_without_one(machine: Machine):
    machine.has("python3.11", "Python 3.11.9")
    assert f"  Java: no Java is here, Java 17 is needed: {JAVA_FIX}\n" in machine.check().stderr
    machine.has("java", JAVA_17)
    assert "  Java: no Java in JAVA_HOME=/nowhere is here, Java 17" in machine.check(JAVA_HOME="/nowhere").stderr


def test_two_faults_are_one_message(machine: Machine):
    done = machine.check()
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["ticklake cannot run here", "  Python", "  Java"]


@pytest.mark.parametrize(
    ("pyspark", "delta", "jar", "fault"),
    [
        ("4.1.1", "4.2.0", "4.2.0", ""),
        ("4.1.2", "4.2.0", "4.2.0", "pyspark 4.1.2 is here, 4.1.1 is needed"),
        ("4.1.1", "4.3.0", "4.2.0", "delta-spark 4.3.0 is here, 4.2.0 is needed"),
        (None, "4.2.0", "4.2.0", "pyspark none is here, 4.1.1 is needed"),
        ("4.1.1", "4.2.0", "4.0.0", "Delta's jar 4.2.0 is needed in .cache/jars, delta-spark_4.1_2.13-4.0.0.jar is here"),
    ],
)
def test_a_wrong_pair_of_spark_and_delta_is_named(
    machine: Machine, tmp_path: Path, pyspark: str | None, delta: str, jar: str, fault: str
):
    (tmp_path / "setup.cfg").write_text("local =\n    pyspark==4.1.1\n    delta-spark==4.2.0\n")
    packages = tmp_path / ".venv/lib/python3.11/site-packages"
    for name in (f"pyspark-{pyspark}" if pyspark else "other-1", f"delta_spark-{delta}"):
        (packages / f"{name}.dist-info").mkdir(parents=True)
    (tmp_path / ".cache/jars").mkdir(parents=True)
    (tmp_path / f".cache/jars/delta-spark_4.1_2.13-{jar}.jar").touch()
    done = machine.run(f"source {HOME}/setup/prerequisites.sh; pair_fault {tmp_path}")
    assert done.stdout == (f"Spark and Delta: {fault}: make -C {tmp_path} setup\n" if fault else "")


def test_the_venv_of_this_run_holds_the_pair(machine: Machine):
    assert machine.run(f"source {HOME}/setup/prerequisites.sh; pair_fault {HOME}").stdout == ""


# --- jars


def repository(folder: Path, content: bytes = b"classes") -> str:
    """A repository of one jar, in a folder; and its address."""
    place = folder / "repository/org/example/thing/1.0"
    place.mkdir(parents=True)
    (place / "thing-1.0.jar").write_bytes(content)
    (place / "thing-1.0.pom").write_text(
        "<project><modelVersion>4.0.0</modelVersion><groupId>org.example</groupId>"
        "<artifactId>thing</artifactId><version>1.0</version></project>"
    )
    return (folder / "repository").as_uri()


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(jars, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("DEFAULT_ARTIFACT_REPOSITORY", repository(tmp_path))
    file = tmp_path / "jars.lock"
    file.write_text(jars.write_lock([jars.Jar("org.example:thing:1.0", hashlib.sha256(b"classes").hexdigest())]))
    return file


def test_jars_are_fetched_once_by_the_lock(lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "jars"
    assert jars.fetch(lock, folder) == "1 jars fetched and verified\n"
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("thing-1.0.jar", b"classes")]
    monkeypatch.setenv("PATH", "/nowhere")  # so that a second try to fetch could not succeed
    assert jars.fetch(lock, folder) == ""


@pytest.mark.parametrize("damage", ["rotten", "missing", "foreign"])
def test_a_folder_that_is_not_the_lock_is_made_anew(lock: Path, tmp_path: Path, damage: str):
    folder = tmp_path / "jars"
    jars.fetch(lock, folder)
    if damage == "rotten":
        (folder / "thing-1.0.jar").write_bytes(b"klasses")
    elif damage == "missing":
        (folder / "thing-1.0.jar").unlink()
    else:
        (folder / "other-1.0.jar").touch()
    assert jars.fetch(lock, folder) == "1 jars fetched and verified\n"
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("thing-1.0.jar", b"classes")]


def test_what_is_wrong_with_a_folder_is_said_jar_by_jar():
    some = [jars.Jar("a:x:1", "1" * 64), jars.Jar("a:y:1", "2" * 64), jars.Jar("a:z:1", "3" * 64)]
    assert jars.wrong(some, {"x-1.jar": "1" * 64, "y-1.jar": "4" * 64}) == [
        f"y-1.jar has sha256 {'4' * 64}, conf/jars.lock says {'2' * 64}",
        "z-1.jar is missing",
    ]


def test_another_jar_than_the_locked_one_is_refused_by_name(lock: Path, tmp_path: Path):
    lock.write_text(jars.write_lock([jars.Jar("org.example:thing:1.0", "0" * 64)]))
    there = hashlib.sha256(b"classes").hexdigest()
    with pytest.raises(jars.JarsError, match=f"^thing-1.0.jar has sha256 {there}, conf/jars.lock says {'0' * 64}"):
        jars.fetch(lock, tmp_path / "jars")
    assert not (tmp_path / "jars").exists()


def test_a_jar_that_nobody_offers_is_an_error_that_shows_what_ivy_said(lock: Path, tmp_path: Path):
    lock.write_text(jars.write_lock([jars.Jar("org.example:absent:1.0", "0" * 64)]))
    with pytest.raises(jars.JarsError, match=r"could not be fetched(.|\n)*org.example#absent;1.0"):
        jars.fetch(lock, tmp_path / "jars")


def test_a_lock_is_read_as_it_was_written_and_a_bad_line_is_named():
    some = [jars.Jar("b:x:1", "b" * 64), jars.Jar("a:y_2.13:2", "a" * 64)]
    assert jars.read_lock(jars.write_lock(some)) == sorted(some)
    with pytest.raises(jars.JarsError, match="line 2 is 'a:y:2'"):
        jars.read_lock("# said\na:y:2\n")


def test_the_lock_holds_the_jars_that_are_used():
    locked = jars.read_lock(jars.LOCK.read_text())
    assert not jars.wrong(locked, jars.sums(sparkconf.JARS))
    assert {path.name for path in sparkconf.JARS.iterdir()} == {jar.file for jar in locked}


def test_every_exclusion_and_package_has_its_reason():
    import yaml  # noqa: PLC0415 - one test alone needs it

    wanted = yaml.safe_load(jars.WANTED.read_text())
    assert all(reason for section in wanted.values() for reason in section.values())


# --- Spark's settings and the archive


@pytest.mark.parametrize("file", sorted(HOME.glob("conf/spark-*.conf")), ids=lambda path: path.name)
def test_every_spark_setting_has_its_reason_above_it(file: Path):
    above = ""
    for line in file.read_text().splitlines():
        if re.match(r"spark\.", line):
            assert above.startswith(("#", "spark.")), f"{line.split()[0]} has no reason"
        else:
            assert line == "" or line.startswith("# "), line
        above = line


def test_settings_of_a_later_file_win(tmp_path: Path):
    (tmp_path / "a").write_text("# why\nspark.x  1\nspark.y    -a -b=c \n")
    (tmp_path / "b").write_text("spark.x  2\n")
    assert sparkconf.read(tmp_path / "a", tmp_path / "b") == {"spark.x": "2", "spark.y": "-a -b=c"}


def test_an_archive_is_made_again_where_the_class_path_or_the_java_changed():
    known = archive.key("17.0.15", [("a.jar", 1, 100), ("b.jar", 2, 200)])
    assert archive.key("17.0.15", [("b.jar", 2, 200), ("a.jar", 1, 100)]) == known
    changes = {
        archive.key("17.0.16", [("a.jar", 1, 100), ("b.jar", 2, 200)]),
        archive.key("17.0.15", [("a.jar", 1, 101), ("b.jar", 2, 200)]),
        archive.key("17.0.15", [("a.jar", 3, 100), ("b.jar", 2, 200)]),
        archive.key("17.0.15", [("a.jar", 1, 100)]),
    }
    assert len(changes | {known}) == 5


def test_an_archive_that_cannot_be_made_is_said_once_and_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sparkconf, "ARCHIVE", tmp_path / "spark.jsa")
    monkeypatch.setattr(archive, "KEY", tmp_path / "spark.key")
    monkeypatch.setattr(archive, "command", lambda *_: ["bash", "-c", "echo no such option >&2; exit 1"])
    assert archive.main() == 0
    said = capsys.readouterr()
    assert "no class-data archive could be made" in said.err
    assert "no such option" in said.err
    assert archive.main() == 0
    assert capsys.readouterr() == ("", "")


def test_nothing_of_this_machine_or_of_a_registry_stands_in_a_file():
    listed = subprocess.run(["git", "ls-files"], cwd=HOME, capture_output=True, text=True, check=True).stdout.split()
    said = re.compile(r"/(work|home|root)/\w|repo1\.|pypi\.org|pythonhosted|maven\.org|registry\.npm")
    own = Path(__file__).relative_to(HOME).as_posix()
    found = [
        f"{name}: {match[0]}"
        for name in listed
        if name != own and (HOME / name).is_file()
        for match in [said.search((HOME / name).read_text(errors="replace"))]
        if match
    ]
    assert not found


def test_make_alone_lists_the_targets():
    done = subprocess.run(["make"], cwd=HOME, env={**os.environ, "MAKEFLAGS": ""}, capture_output=True, text=True, check=True)
    listed = {line.split()[1] for line in done.stdout.splitlines()}
    assert listed >= {
        "help",
        "setup",
        "demo",
        "test",
        "test-long",
        "check",
        "bench",
        "bench-ingest",
        "soak",
        "lock",
        "lock-jars",
        "docs",
        "fmt",
        "clean",
    }
    assert sys.version_info[:2] == (3, 11)
