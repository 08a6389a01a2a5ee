"""A job submitted for real: from somewhere else, out of the zip, with its exit code."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.project import copy_of_project

TRIAL = """
import argparse, json, sys, time
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--conf")
    parser.add_argument("--once", action="store_true")
    asked = parser.parse_args()
    import ingest.exchanges, jobs.tables, yaml
    from pyspark.sql import SparkSession
    spark = SparkSession.builder.getOrCreate()
    rows = spark.range(3).selectExpr("sum(id) AS s").collect()
    places = [module.__file__ for module in (ingest.exchanges, jobs.tables, yaml)]
    zone = spark.conf.get("spark.sql.session.timeZone")
    print(json.dumps({"asked": vars(asked), "sum": rows[0].s, "places": places, "zone": zone, "path": sys.path[0]}))
    return 3
if __name__ == "__main__":
    sys.exit(main())
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = copy_of_project(tmp_path / "a project")
    (folder / "jobs/trial.py").write_text(TRIAL)
    return folder


def test_a_job_runs_from_the_zip_in_any_folder_and_its_exit_code_comes_back(project: Path, tmp_path: Path):
    (tmp_path / "my conf.yaml").touch()
    command = [project / "spark-submit.sh", "trial", "--conf", "my conf.yaml", "--once"]
    environment = {**os.environ, "TICKLAKE_JIT": "c1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    package = f"{project}/dist/ticklake-0.1.0.zip"
    assert json.loads(done.stdout) == {
        "asked": {"conf": f"{tmp_path}/my conf.yaml", "once": True},
        "sum": 3,
        "places": [
            f"{package}/ingest/exchanges/__init__.py",
            f"{package}/jobs/tables/__init__.py",
            f"{package}/yaml/__init__.py",
        ],
        "zone": "UTC",
        "path": f"{project}/dist",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a project", "my conf.yaml"]
    # quiet: what Spark says of itself would bury the job's own lines
    assert [line for line in done.stderr.splitlines() if "incubator modules" not in line] == []
