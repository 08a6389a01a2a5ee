"""The settings of the tests' Spark session."""

from setup import sparkconf


def spark_conf() -> dict[str, str]:
    """What the jobs run with on this machine, from the same files."""
    return sparkconf.local()
