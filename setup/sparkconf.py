"""Spark's settings from conf/, and what this machine adds: the jars' class path and the class-data archive."""

from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
JARS = HOME / ".cache" / "jars"
ARCHIVE = HOME / ".cache" / "spark.jsa"
JAVA_OPTIONS = "spark.driver.extraJavaOptions"
# Quoted: Spark splits the options at spaces, and a folder may have one. Without the two logs off, a JVM that cannot use the
# archive says so on standard output, into the job's own.
WITH_ARCHIVE = f'"-XX:SharedArchiveFile={ARCHIVE}" -Xshare:auto -Xlog:cds=off -Xlog:cds+dynamic=off'
# One compiler, for small plans that run a few times. With it alone a JVM reserves 48 MB for its code; the tests' own filled them in
# three minutes, and died of it.
LIGHT = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m"

QUIET = f'"-Dlog4j2.configurationFile={HOME}/conf/log4j2-local.properties"'


def read(*files: Path) -> dict[str, str]:
    """The settings of some files; a later one wins."""
    rows = [line.split(maxsplit=1) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return {row[0]: row[1].strip() for row in rows if row and not row[0].startswith("#")}


def local() -> dict[str, str]:
    """What a session on this machine runs with."""
    found = read(HOME / "conf" / "spark-common.conf", HOME / "conf" / "spark-local.conf")
    found["spark.driver.extraClassPath"] = f"{JARS}/*"
    found[JAVA_OPTIONS] += f" {QUIET}"
    if ARCHIVE.exists():
        found[JAVA_OPTIONS] += f" {WITH_ARCHIVE}"
    return found
