"""The import contracts of setup.cfg hold, and break when somebody breaks them."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HOME = Path(__file__).parents[2]
LINT = Path(sys.executable).with_name("lint-imports")
CONTRACT = ("alerts", "envelope", "exchanges", "landing", "settings")  # what jobs may import of ingest
BELOW = ("alert_settings", "backoff", "clock", "secrets", "values")  # what those stand on, and must need no more than they
ALLOWED = {*sys.stdlib_module_names, "yaml", "boto3", "botocore"}  # EMR's own Python has these, or they travel in the zip

PLANTED = [
    # file, what somebody writes into it, the contract that must speak
    ("jobs/tables/trades.py", "import jobs.transforms.rules", "jobs, from the jobs down to the tables"),
    ("jobs/transforms/rules.py", "import jobs.runtime.session", "jobs, from the jobs down to the tables"),
    ("jobs/transforms/rules.py", "import ingest.spool.spool", "jobs know of ingest only the contract"),
    ("jobs/transforms/rules.py", "import ingest.new_module", "jobs know of ingest only the contract"),
    ("jobs/transforms/rules.py", "import tests.support.spark", "neither package imports what is not shipped with it"),
    ("ingest/plan.py", "import pyspark", "ingest imports neither Spark nor jobs"),
    ("ingest/plan.py", "def late():\n    import jobs.tables", "ingest imports neither Spark nor jobs"),
    ("ingest/envelope.py", "import ingest.landing", "ingest, from the command line down to the values"),
    ("ingest/simulator/wire.py", "import ingest.collector.run", "ingest, from the command line down to the values"),
    ("ingest/alerts/policy.py", "import ingest.alerts.slack", "alerts, from what programs use down to the values"),
    ("ingest/alerts/spread.py", "import ingest.collector.feed", "ingest, from the command line down to the values"),
    ("jobs/runtime/lake.py", "import great_expectations", "Great Expectations is known to one module"),
    ("jobs/quality.py", "def late():\n    import great_expectations", "Great Expectations is known to one module"),
    ("ingest/plan.py", "import great_expectations", "Great Expectations is known to one module"),
    ("jobs/stream.py", "import jobs.expectations.checks", "what checks the data is known to its job alone"),
    ("jobs/bars.py", "import jobs.expectations.suites", "what checks the data is known to its job alone"),
    ("jobs/helpers.py", "", "jobs, from the jobs down to the tables"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LINT, "--no-logo", "--no-cache"], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in ("ingest", "jobs"):
        shutil.copytree(HOME / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HOME / "setup.cfg", tmp_path)
    (tmp_path / "ingest/new_module.py").touch()
    return tmp_path


def test_the_contracts_hold():
    done = lint(HOME)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("file", "line", "contract"), PLANTED, ids=[f"{file}: {line!r}" for file, line, _ in PLANTED])
def test_a_planted_violation_is_seen(copy: Path, file: str, line: str, contract: str):
    with (copy / file).open("a") as source:
        source.write(f"\n{line}\n")
    done = lint(copy)
    assert done.returncode == 1
    broken = [row for row in done.stdout.splitlines() if " BROKEN" in row]
    assert any(row.startswith(contract) for row in broken), done.stdout


def contract_files() -> list[Path]:
    return [path for name in (*CONTRACT, *BELOW) for path in [*HOME.glob(f"ingest/{name}.py"), *HOME.glob(f"ingest/{name}/*.py")]]


def imported(source: str) -> Iterator[str]:
    """The modules that running a source imports, now or later; not those that only a type checker reads."""
    tree = ast.parse(source)
    for branch in ast.walk(tree):
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING":
            branch.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


@pytest.mark.parametrize("file", contract_files(), ids=lambda path: path.relative_to(HOME).as_posix())
def test_the_contract_between_the_halves_needs_only_what_every_cluster_has(file: Path):
    ours = {f"ingest.{name}" for name in (*CONTRACT, *BELOW)}
    foreign = {
        module
        for module in imported(file.read_text())
        if module.split(".")[0] not in ALLOWED and ".".join(module.split(".")[:2]) not in ours
    }
    assert not foreign


def test_imported_sees_every_kind_of_import():
    source = "import a.b\nfrom c import d\nfrom . import e\nif TYPE_CHECKING:\n    import f\ndef g():\n    import h\n"
    assert sorted(imported(source)) == [".", "a.b", "c", "h"]
