"""spark-submit.sh: the command it would run, and what it refuses."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from setup import sparkconf
from tests.support.project import HOME, copy_of_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = copy_of_project(tmp_path / "a project")
    (folder / "jobs/trial.py").touch()
    (tmp_path / "else where").mkdir()
    (tmp_path / "else where/my conf.yaml").touch()
    return folder


def submit(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """As a person somewhere else on the machine would call it."""
    env = {"PATH": "/usr/bin:/bin", **environment}
    command = [project / "spark-submit.sh", *arguments]
    return subprocess.run(command, cwd=project.parent / "else where", env=env, capture_output=True, text=True, check=False)


def dry_run(project: Path, *arguments: str, **environment: str) -> list[str]:
    done = submit(project, "trial", "--conf", "my conf.yaml", "--dry-run", *arguments, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return shlex.split(done.stdout)


def settings(words: list[str]) -> dict[str, str]:
    """Spark's --conf; of two, the later one."""
    script = next(number for number, word in enumerate(words) if word.endswith("trial.py"))
    pairs = [words[number + 1] for number in range(script) if words[number] == "--conf"]
    return dict(pair.split("=", 1) for pair in pairs)


def value(words: list[str], option: str) -> str:
    return words[words.index(option) + 1]


def test_a_dry_run_prints_one_line_that_a_shell_reads_back_and_does_nothing(project: Path):
    words = dry_run(project, "--once")
    script = words.index(f"{project}/dist/trial.py")
    assert words[script:] == [f"{project}/dist/trial.py", "--conf", f"{project.parent}/else where/my conf.yaml", "--once"]
    assert not (project / "dist").exists()


def test_a_dry_run_is_the_jobs_where_it_has_one_and_the_command_is_shown_of_every_job(project: Path):
    (project / "jobs/trial.py").write_text('DRY_RUN = "say what it would do"\n')
    conf = ("trial", "--conf", "my conf.yaml")
    for options in (["--show", "--dry-run"], ["--dry-run", "--show"]):
        shown = shlex.split(submit(project, *conf, *options, "there").stdout)
        assert shown[-3:] == [f"{project.parent}/else where/my conf.yaml", "--dry-run", "there"]
    (project / "jobs/trial.py").write_text("")
    shown = [submit(project, *conf, option, "there").stdout for option in ("--show", "--dry-run")]
    assert shown[0] == shown[1]
    assert shlex.split(shown[0])[-2:] == [f"{project.parent}/else where/my conf.yaml", "there"]


def test_a_local_run_uses_the_venv_and_the_local_settings(project: Path):
    words = dry_run(project)
    python = f"{project}/.venv/bin/python"
    spark = f"{project}/.venv/lib/python3.11/site-packages/pyspark"
    assert words[:5] == [
        "env",
        f"SPARK_HOME={spark}",
        "SPARK_LOCAL_IP=127.0.0.1",
        f"PYSPARK_PYTHON={python}",
        f"{project}/.venv/bin/spark-submit",
    ]
    assert (value(words, "--master"), value(words, "--deploy-mode")) == ("local[*]", "client")
    assert value(words, "--py-files") == f"{project}/dist/ticklake-0.1.0.zip"
    assert "--jars" not in words
    assert "--properties-file" not in words
    given = settings(words)
    files = sparkconf.read(HOME / "conf/spark-common.conf", HOME / "conf/spark-local.conf")
    java = given.pop(sparkconf.JAVA_OPTIONS)
    assert java.startswith(files.pop(sparkconf.JAVA_OPTIONS))
    assert f'"-Dlog4j2.configurationFile={project}/conf/log4j2-local.properties"' in java
    assert given.pop("spark.driver.extraClassPath") == f"{project}/.cache/jars/*"
    assert given.pop("spark.sql.warehouse.dir") == f"{project}/.cache/warehouse"
    assert given == files


def test_the_light_compiler_is_a_switch(project: Path):
    assert "TieredStopAtLevel" not in " ".join(dry_run(project))
    assert settings(dry_run(project, TICKLAKE_JIT="c1"))[sparkconf.JAVA_OPTIONS].endswith(f" {sparkconf.LIGHT}")


def test_a_standalone_cluster_gets_the_jars_and_the_cluster_settings(project: Path):
    words = dry_run(project, MASTER="spark://127.0.0.1:7077")
    assert words[:2] == ["env", f"PYSPARK_DRIVER_PYTHON={project}/.venv/bin/python"]
    assert value(words, "--master") == "spark://127.0.0.1:7077"
    jars = [Path(jar) for jar in value(words, "--jars").split(",")]
    assert {jar.name for jar in jars} == {jar.name for jar in sparkconf.JARS.iterdir()}
    assert {jar.parent for jar in jars} == {project / ".cache/jars"}
    assert settings(words) == sparkconf.read(HOME / "conf/spark-common.conf", HOME / "conf/spark-cluster.conf")


def test_yarn_brings_its_own_delta_and_in_cluster_mode_the_configuration_travels(project: Path):
    words = dry_run(project, "--once", MASTER="yarn", DEPLOY_MODE="cluster")
    assert words[0].endswith("spark-submit")
    assert "--jars" not in words
    assert value(words, "--deploy-mode") == "cluster"
    assert value(words, "--files") == f"{project.parent}/else where/my conf.yaml"
    assert words[words.index(f"{project}/dist/trial.py") :] == [f"{project}/dist/trial.py", "--conf", "my conf.yaml", "--once"]


ENVIRONMENT = "environment/bin/python"


def test_what_quality_needs_beside_spark_travels_where_its_driver_is_far_away(project: Path):
    conf = ("quality", "--conf", f"{project}/conf/local.yaml", "--dry-run")
    near = [shlex.split(submit(project, *conf, MASTER=master).stdout) for master in ("local[*]", "yarn")]
    assert not any(word.startswith("--archives") or ENVIRONMENT in word for words in near for word in words)
    far = shlex.split(submit(project, *conf, "--table", "trades", MASTER="yarn", DEPLOY_MODE="cluster").stdout)
    assert value(far, "--archives") == f"{project}/dist/quality-environment.tar.gz#environment"
    assert f"spark.pyspark.python=./{ENVIRONMENT}" in far
    assert f"spark.yarn.appMasterEnv.PYSPARK_PYTHON=./{ENVIRONMENT}" in far
    suites = sorted(f"{project}/conf/expectations/{path.name}" for path in (HOME / "conf/expectations").iterdir())
    assert value(far, "--files").split(",") == [f"{project}/conf/local.yaml", *suites]
    script = far.index(f"{project}/dist/quality.py")
    assert far[script + 1 :] == ["--conf", "local.yaml", "--expectations", ".", "--table", "trades"]


def test_the_dry_run_of_catalog_is_its_own_and_its_views_travel(project: Path):
    conf = ("catalog", "--conf", f"{project}/conf/local.yaml", "--dry-run")
    begun = submit(project, *conf, JAVA_HOME="/nowhere")
    assert (begun.returncode, begun.stdout) == (1, "")
    far = (*conf[:-1], "--show", "--target", "emr-serverless")
    words = shlex.split(submit(project, *far, TICKLAKE_ARTIFACTS="s3://bucket/ticklake").stdout)
    views = sorted(path.name for path in (HOME / "conf/views").iterdir())
    assert value(words, "--files").split(",") == [f"s3://bucket/ticklake/{name}" for name in ("local.yaml", *views)]
    assert words[-4:] == ["--conf", "local.yaml", "--views", "."]


def test_emr_serverless_is_shown_what_it_would_be_asked_for(project: Path):
    conf = ("quality", "--conf", f"{project}/conf/local.yaml", "--target", "emr-serverless")
    words = shlex.split(submit(project, *conf, "--dry-run", TICKLAKE_ARTIFACTS="s3://bucket/ticklake/").stdout)
    assert not {"--master", "--deploy-mode", "--jars"} & set(words)
    assert value(words, "--archives") == "s3://bucket/ticklake/quality-environment.tar.gz#environment"
    assert value(words, "--py-files") == "s3://bucket/ticklake/ticklake-0.1.0.zip"
    for name in ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"):
        assert f"spark.emr-serverless.driverEnv.{name}=./{ENVIRONMENT}" in words
    assert value(words, "--files").split(",")[:2] == [
        f"s3://bucket/ticklake/{name}" for name in ("local.yaml", "minute_aggregates.json")
    ]
    assert words[-5:] == ["s3://bucket/ticklake/quality.py", "--conf", "local.yaml", "--expectations", "."]


def test_the_jvm_of_compact_leaves_memory_to_its_workers(project: Path):
    shown = {job: submit(project, job, "--conf", f"{project}/conf/local.yaml", "--show").stdout for job in ("compact", "stream")}
    assert {job: "-XX:MaxNewSize=512m" in command for job, command in shown.items()} == {"compact": True, "stream": False}


@pytest.mark.parametrize("job", ["compact", "adopt"])
def test_executors_that_make_history_get_a_python_that_has_arrow(project: Path, job: str):
    conf = (job, "--conf", f"{project}/conf/local.yaml", "--show")
    assert ENVIRONMENT not in submit(project, *conf).stdout
    sent = ("--archives", f"{project}/dist/history-environment.tar.gz#environment", f"spark.pyspark.python=./{ENVIRONMENT}")
    near = shlex.split(submit(project, *conf, MASTER="spark://127.0.0.1:7077").stdout)
    assert {*sent, f"spark.pyspark.driver.python={project}/.venv/bin/python"} <= {*near}  # the driver's is this machine's
    far = shlex.split(submit(project, *conf, MASTER="yarn", DEPLOY_MODE="cluster").stdout)
    assert {*sent, f"spark.yarn.appMasterEnv.PYSPARK_PYTHON=./{ENVIRONMENT}"} <= {*far}
    asked = submit(project, *conf, "--target", "emr-serverless", TICKLAKE_ARTIFACTS="s3://bucket/ticklake")
    assert {
        "s3://bucket/ticklake/history-environment.tar.gz#environment",
        f"spark.executorEnv.PYSPARK_PYTHON=./{ENVIRONMENT}",
        f"spark.emr-serverless.driverEnv.PYSPARK_PYTHON=./{ENVIRONMENT}",
    } <= {*shlex.split(asked.stdout)}


def test_what_a_far_quality_needs_is_packed_where_it_is_missing_or_older_than_the_lock(project: Path):
    (project / "requirements.lock").touch()
    packing = '#!/usr/bin/env bash\ncd "$(dirname "$0")/.."\necho packed $1\nmkdir -p dist\ntouch dist/$1-environment.tar.gz\n'
    (project / "setup/environment.sh").write_text(packing)

    def packs(**environment: str) -> int:
        done = submit(project, "quality", "--conf", f"{project}/conf/local.yaml", MASTER="yarn", **environment)
        return done.stderr.count("packed quality")

    far = {"DEPLOY_MODE": "cluster"}
    assert [packs(), packs(**far), packs(**far)] == [0, 1, 0]
    os.utime(project / "dist/quality-environment.tar.gz", (0, 0))
    assert packs(**far) == 1


def test_sparks_own_options_come_after_ours_so_they_win(project: Path):
    words = dry_run(
        project,
        "--run",
        "7",
        "--",
        "--conf",
        "spark.sql.shuffle.partitions=64",
        "--conf",
        "spark.x=it's $HOME",
        "--driver-memory",
        "6g",
    )
    given = settings(words)
    assert (given["spark.sql.shuffle.partitions"], given["spark.x"]) == ("64", "it's $HOME")
    script = words.index(f"{project}/dist/trial.py")
    assert words[script - 2 : script] == ["--driver-memory", "6g"]
    assert words[-2:] == ["--run", "7"]


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        (["nope", "--conf", "my conf.yaml"], {}, "no job is called 'nope'; there are: "),
        (["../setup/jars", "--conf", "my conf.yaml"], {}, "no job is called '../setup/jars'; there are: "),
        (["__init__", "--conf", "my conf.yaml"], {}, "no job is called '__init__'; there are: "),
        (["trial"], {}, "--conf is missing; it names the configuration, such as conf/local.yaml"),
        (["trial", "--conf"], {}, "--conf wants a file, such as conf/local.yaml"),
        (["trial", "--conf", "absent.yaml"], {}, "else where/absent.yaml: no such file"),
        (["trial", "--conf", "my conf.yaml"], {"DEPLOY_MODE": "far"}, "DEPLOY_MODE is 'far'; right is client or cluster"),
        (["trial", "--conf", "my conf.yaml", "--target", "moon"], {}, "--target is 'moon'; right is emr-serverless"),
        (["trial", "--conf", "my conf.yaml", "--target", "emr-serverless"], {}, "TICKLAKE_ARTIFACTS is missing"),
    ],
)
def test_what_cannot_be_is_refused_with_what_would_be_right(
    project: Path, arguments: list[str], environment: dict[str, str], says: str
):
    done = submit(project, *arguments[:1], "--dry-run", *arguments[1:], **environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


def test_the_jobs_named_are_those_that_are_there(project: Path):
    names = sorted(path.stem for path in (project / "jobs").glob("[a-z]*.py"))
    assert submit(project, "nope").stderr.endswith(f"there are: {' '.join(names)}\n")
    assert f"one of: {' '.join(names)}\n" in submit(project, "--help").stdout


def test_a_machine_without_java_17_is_told_so_before_anything_is_built(project: Path):
    done = submit(project, "trial", "--conf", "my conf.yaml", JAVA_HOME="/nowhere")
    assert done.returncode == 1
    assert "  Java: no Java in JAVA_HOME=/nowhere is here, Java 17 is needed: " in done.stderr
    assert not (project / "dist").exists()
