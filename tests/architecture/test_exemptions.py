"""Each place that is exempt from a rule says why, in the same line."""

import re
from pathlib import Path

HOME = Path(__file__).parents[2]
FOLDERS = ("ingest", "jobs", "notebooks", "setup", "tests")
EXEMPT = re.compile(r"#\s*(?:noqa|type:\s*ignore)\b.*")
_RUFF, _MYPY = (
    r"# noqa: [A-Z]+\d+(?:, [A-Z]+\d+)* - ",
    r"# type: ignore\[[a-z-]+(?:, [a-z-]+)*\]  # ",
)  # each reads its own form only
WITH_REASON = re.compile(rf"(?:{_RUFF}|{_MYPY})\S.*")


def bare(text: str) -> list[str]:
    found = (EXEMPT.search(line) for line in text.splitlines())
    return [hit[0] for hit in found if hit and not WITH_REASON.fullmatch(hit[0])]


def test_every_exemption_has_its_reason():
    sources = [path for folder in FOLDERS for path in (HOME / folder).rglob("*.py") if path != Path(__file__)]
    assert len(sources) > 100
    found = {str(path.relative_to(HOME)): hits for path in sources if (hits := bare(path.read_text(encoding="utf-8")))}
    assert found == {}


def test_an_exemption_without_a_reason_is_seen():
    lines = [
        "import a  # noqa: PLC0415",
        "import b  # noqa",
        "c = d()  # type: ignore[arg-type]",
        "e = f()  # type: ignore",
        "import g  # noqa: PLC0415 - late, for it is slow",
        "h = i()  # type: ignore[arg-type]  # its stub is wrong",
    ]
    assert [*map(bare, lines)] == [["# noqa: PLC0415"], ["# noqa"], ["# type: ignore[arg-type]"], ["# type: ignore"], [], []]
