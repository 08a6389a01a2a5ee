"""The class-data archive: Spark's classes, loaded once at set-up, mapped by every later start in half the time."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from setup import sparkconf

REHEARSAL = sparkconf.HOME / "setup" / "rehearsal.py"
KEY = sparkconf.ARCHIVE.with_suffix(".key")


def key(java: str, files: Iterable[tuple[str, int, int]]) -> str:
    """What an archive depends on: the JVM refuses one whose class path changed in names, sizes or times."""
    return "\n".join([java, *(f"{name} {size} {changed}" for name, size, changed in sorted(files))]) + "\n"


def machine_key() -> str:
    """The key here and now."""
    pyspark = find_spec("pyspark")  # importing it would take a second of each `make`
    assert pyspark is not None
    assert pyspark.origin is not None
    home = os.environ.get("JAVA_HOME")
    java = subprocess.run([f"{home}/bin/java" if home else "java", "-version"], capture_output=True, text=True, check=True)
    jars = [path for folder in (sparkconf.JARS, Path(pyspark.origin).parent / "jars") for path in folder.glob("*.jar")]
    stats = [(str(path), path.stat()) for path in [*jars, REHEARSAL]]
    return key(java.stderr, [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats])


def command(folder: str, archive: Path) -> list[str]:
    """A rehearsal that leaves an archive."""
    conf = sparkconf.local()
    # this machine's files and the cheapest compiler: only which classes are loaded matters
    conf[sparkconf.JAVA_OPTIONS] += (
        f' "-XX:ArchiveClassesAtExit={archive}" -XX:TieredStopAtLevel=1 -Xlog:cds=off -Xlog:cds+dynamic=off'
    )
    conf["spark.sql.warehouse.dir"] = f"{folder}/warehouse"
    settings = [part for key, value in conf.items() for part in ("--conf", f"{key}={value}")]
    submit = Path(sys.executable).with_name("spark-submit")
    return [str(submit), "--master", "local[2]", *settings, str(REHEARSAL), folder]


def main() -> int:
    """Make the archive. Without one everything works, only slower, so a failure is said and is no error."""
    now = machine_key()
    if KEY.exists() and KEY.read_text(encoding="utf-8") == now:
        return 0
    print("==> a class-data archive: Spark runs once for it, about half a minute")
    sparkconf.ARCHIVE.unlink(missing_ok=True)
    fresh = sparkconf.ARCHIVE.with_suffix(".new")
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command(folder, fresh), env=environment, capture_output=True, text=True, check=False)
    KEY.write_text(now, encoding="utf-8")  # also of one that cannot be made here: said once, not at every start
    if done.returncode or not fresh.exists():
        said = "\n".join((done.stderr or done.stdout).splitlines()[-15:])
        print(f"no class-data archive could be made, so each start takes some ten seconds more. Why:\n{said}", file=sys.stderr)
        return 0
    fresh.rename(sparkconf.ARCHIVE)
    print(f"class-data archive made: {sparkconf.ARCHIVE.stat().st_size // 10**6} MB")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\nstopped; the same command goes on from here")
