"""Recorded market data: a folder that the environment names, or one beside the checkout. Not part of the project: a test may skip."""

import os
from pathlib import Path

import pytest

VARIABLE = "TICKLAKE_RECORDINGS"
BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder. Skips, saying why, where there is none; a folder that is named and not there is a failure."""
    named = os.environ.get(VARIABLE) or (str(BESIDE) if BESIDE.is_dir() else None)
    if named is None:
        pytest.skip(f"needs recorded market data: {VARIABLE} names no folder, and ../shared/data is not there")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"{VARIABLE} is {named}: no such folder", pytrace=False)
    return folder
