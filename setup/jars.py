"""Spark's extra jars: locked with their sha256, fetched by the ivy that Spark carries, verified before anything may use them."""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

HOME = Path(__file__).resolve().parent.parent
WANTED = HOME / "conf" / "jars.yaml"
LOCK = HOME / "conf" / "jars.lock"
CACHE = HOME / ".cache"
# What Spark's own resolver leaves out of every resolution: Spark is there already.
SPARKS_OWN = ("org.apache.spark:*", "org.scala-lang:*")


class JarsError(Exception):
    """The jars are not what the lock says; says which and what to do."""


@dataclass(frozen=True, order=True)
class Jar:
    """One line of the lock."""

    coordinate: str  # group:artifact:version
    sha256: str

    @property
    def file(self) -> str:
        """Its name in the folder."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def read_lock(text: str) -> list[Jar]:
    """The jars of a lock."""
    jars = []
    for number, row in enumerate(text.splitlines(), 1):
        if not row.strip() or row.startswith("#"):
            continue
        found = re.fullmatch(r"([0-9a-f]{64})  ([^:\s]+:[^:\s]+:[^:\s]+)", row)
        if not found:
            raise JarsError(f"conf/jars.lock line {number} is {row!r}; right is a sha256, two spaces and group:artifact:version")
        jars.append(Jar(found[2], found[1]))
    return jars


def write_lock(jars: Iterable[Jar]) -> str:
    """The lock of some jars."""
    rows = "".join(f"{jar.sha256}  {jar.coordinate}\n" for jar in sorted(jars))
    return f"# Written by `make lock-jars` from conf/jars.yaml; sha256 and coordinate of every jar.\n{rows}"


def ivy_file(coordinates: Iterable[str], exclude: Iterable[str] = (), *, transitive: bool) -> str:
    """What ivy is asked for."""
    configuration = "default->default(runtime)" if transitive else "default->master"
    asked = "".join(
        f"<dependency {_names(coordinate)} conf={quoteattr(configuration)} transitive='{str(transitive).lower()}'/>"
        for coordinate in coordinates
    )
    left_out = "".join(
        "<exclude org={} module={} matcher='glob' conf='default'/>".format(*(quoteattr(part) for part in pattern.split(":")))
        for pattern in exclude
    )
    return (
        "<ivy-module version='2.0'><info organisation='ticklake' module='jars'/>"
        f"<configurations><conf name='default'/></configurations><dependencies>{asked}{left_out}</dependencies></ivy-module>"
    )


def _names(coordinate: str) -> str:
    group, artifact, version = coordinate.split(":")
    return f"org={quoteattr(group)} name={quoteattr(artifact)} rev={quoteattr(version)} force='true'"


def mirror_settings(root: str, *, poms: bool = True) -> str:
    """Ivy's settings where the environment names a mirror, by the variable that Spark itself obeys; or where no pom is to be read."""
    named = f" root={quoteattr(root)}" if root else ""
    return (
        "<ivysettings><settings defaultResolver='mirror'/><resolvers>"
        f"<ibiblio name='mirror' m2compatible='true' usepoms='{str(poms).lower()}'{named}/></resolvers></ivysettings>"
    )


def wrong(jars: Iterable[Jar], sums: Mapping[str, str]) -> list[str]:
    """What is wrong with a folder, given the sha256 of each file in it; one sentence a jar."""
    found = []
    for jar in jars:
        there = sums.get(jar.file)
        if there is None:
            found.append(f"{jar.file} is missing")
        elif there != jar.sha256:
            found.append(f"{jar.file} has sha256 {there}, conf/jars.lock says {jar.sha256}")
    return found


def sums(folder: Path) -> dict[str, str]:
    """The sha256 of each jar in a folder."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.jar"))}


def retrieve(request: str, into: Path, pattern: str, *, types: Sequence[str] = ("jar", "bundle"), poms: bool = True) -> None:
    """Let ivy put what is asked for into a folder. Its cache is the project's own: a broken ~/.m2 would break it."""
    import pyspark  # noqa: PLC0415 - only here; the rest works before Spark is installed

    bundled = Path(pyspark.__file__).parent / "jars"
    ivy = CACHE / "ivy"
    ivy.mkdir(parents=True, exist_ok=True)
    into.mkdir(parents=True, exist_ok=True)
    (ivy / "ivy.xml").write_text(request, encoding="utf-8")
    settings = []
    root = os.environ.get("DEFAULT_ARTIFACT_REPOSITORY", "")
    if root or not poms:
        (ivy / "ivysettings.xml").write_text(mirror_settings(root, poms=poms), encoding="utf-8")
        settings = ["-settings", f"{ivy}/ivysettings.xml"]
    command = [
        *("java", f"-Divy.default.ivy.user.dir={ivy}", "-cp", f"{bundled}/*", "org.apache.ivy.Main", *settings),
        *("-ivy", f"{ivy}/ivy.xml", "-cache", f"{ivy}/cache", "-confs", "default", "-types", *types),
        *("-retrieve", f"{into}/{pattern}"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise JarsError(
            f"the jars could not be fetched; is there a network? Then run the same command again.\n{_tail(done.stdout)}"
        )


def _tail(text: str, lines: int = 25) -> str:
    return "\n".join(text.splitlines()[-lines:])


def fetch(lock: Path, folder: Path) -> str:
    """Bring the folder to what the lock says. What it did, in a sentence; nothing where nothing was to do."""
    jars = read_lock(lock.read_text(encoding="utf-8"))
    if sorted(path.name for path in folder.glob("*")) == sorted(jar.file for jar in jars) and not wrong(jars, sums(folder)):
        return ""
    print(f"==> {len(jars)} jars for Spark")
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    retrieve(ivy_file([jar.coordinate for jar in jars], transitive=False), fresh, "[artifact]-[revision].[ext]")
    if faults := wrong(jars, sums(fresh)):
        raise JarsError("; ".join(faults) + ". Remove .cache/ivy and try again; if it stays so, somebody changed the jar")
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    return f"{len(jars)} jars fetched and verified\n"


def resolve(wanted: Mapping[str, Mapping[str, str]], folder: Path) -> list[Jar]:
    """Ask for the packages with all that they need."""
    shutil.rmtree(folder, ignore_errors=True)
    request = ivy_file(wanted["packages"], [*SPARKS_OWN, *wanted["exclude"]], transitive=True)
    retrieve(request, folder, "[organisation]/[artifact]/[revision].[ext]")
    jars = []
    for path in folder.glob("*/*/*.jar"):
        group, artifact, _ = path.relative_to(folder).parts
        jars.append(Jar(f"{group}:{artifact}:{path.stem}", hashlib.sha256(path.read_bytes()).hexdigest()))
    shutil.rmtree(folder)
    return jars


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch by the lock, or write the lock."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["fetch", "lock"])
    asked = parser.parse_args(arguments)
    try:
        if asked.command == "fetch":
            print(fetch(LOCK, CACHE / "jars"), end="")
        else:
            import yaml  # noqa: PLC0415 - fetching does without

            jars = resolve(yaml.safe_load(WANTED.read_text(encoding="utf-8")), CACHE / "resolved")
            LOCK.write_text(write_lock(jars), encoding="utf-8")
            print(f"{len(jars)} jars locked in conf/jars.lock")
    except JarsError as error:
        print(f"jars: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\nstopped; the same command goes on from here")
