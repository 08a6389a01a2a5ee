"""Landing objects as Spark reads them: their lines, each with the object that it lay in."""

from collections.abc import Sequence
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

LONGEST = 4096  # characters of a path


def paths(root: str, objects: Sequence[str]) -> list[str]:
    """Where objects are, as Spark names them."""
    return [f"{root}/{name}" for name in objects]


def lines(reader: Any, root: str, where: Any) -> DataFrame:  # noqa: ANN401 - of a batch or of a stream; a path or many
    """The lines (`value`) and their `object`."""
    return with_object(options(reader).text(where), root)


def options(reader: Any) -> Any:  # noqa: ANN401 - see above
    """A line ends where we ended it, and nowhere else."""
    return reader.option("lineSep", "\n").option("recursiveFileLookup", "true")


def with_object(found: DataFrame, root: str) -> DataFrame:
    """What was read, with the object that it lay in, relative to the lake."""
    path = F.col("_metadata.file_path")
    # where the lake's name ends is known, but for a name that a URI writes otherwise; to look for it in each line's path costs
    lake = f"{root}/" if "://" in root else f"file:{root}/"
    below = F.when(F.startswith(path, F.lit(lake)), F.substring(path, len(lake) + 1, LONGEST))
    return found.select("*", below.otherwise(F.substring(path, F.instr(path, "/landing/channel=") + 1, LONGEST)).alias("object"))
