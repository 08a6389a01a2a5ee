"""A copy of the project elsewhere, in which a test may add jobs and packages."""

import shutil
from pathlib import Path

HOME = Path(__file__).parents[2]
SOURCES = ("ingest", "jobs", "setup", "conf", "spark-submit.sh", "setup.cfg")
INSTALLED = (".venv", ".cache")  # shared, not copied


def copy_of_project(folder: Path) -> Path:
    """What spark-submit.sh needs, below a folder."""
    folder.mkdir(parents=True)
    for name in SOURCES:
        if (HOME / name).is_dir():
            shutil.copytree(HOME / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(HOME / name, folder / name)
    for name in INSTALLED:
        (folder / name).symlink_to(HOME / name)
    return folder
