#!/usr/bin/env bash
# Runs a job of ticklake with spark-submit. `./spark-submit.sh --help` says how.
set -euo pipefail
home=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=setup/prerequisites.sh
source "$home/setup/prerequisites.sh"

jobs() { # one name a line
  (cd "$home/jobs" && for file in [a-z]*.py; do echo "${file%.py}"; done)
}

jobs_with_dry_run() { # a job that has one says so in a line of its file
  (cd "$home/jobs" && grep -l '^DRY_RUN = ' [a-z]*.py | sed 's/\.py$//')
}

usage() {
  cat <<HELP
usage: ./spark-submit.sh JOB --conf FILE [--once] [--show] [--dry-run] [--target emr-serverless] [-- OPTIONS OF spark-submit]

  ./spark-submit.sh stream --conf conf/local.yaml --once
  ./spark-submit.sh stream --conf conf/local.yaml -- --driver-memory 6g
  MASTER=spark://127.0.0.1:7077 ./spark-submit.sh stream --conf conf/prod.yaml

  JOB          one of: $(jobs | paste -sd' ' -)
  --conf FILE  the configuration; relative to where you stand
  --show       print the command and do nothing
  --dry-run    the same, but of a job that has a dry run of its own: $(jobs_with_dry_run | paste -sd' ' -). That one is run,
               says what it would do, and does nothing
  --target emr-serverless  with --show: the sparkSubmitParameters of a job run there, of files that were copied
               to TICKLAKE_ARTIFACTS, such as s3://bucket/ticklake. Never tried
  Whatever else stands before -- goes to the job; ./spark-submit.sh JOB --help asks it.

  MASTER       local[*] by default. On spark:// the jars travel along; yarn is taken to bring Delta of its own
  DEPLOY_MODE  client by default, or cluster: the configuration file then travels along
  TICKLAKE_JIT=c1  compile lightly: small --once runs take less processor time, long ones more
HELP
}

fail() {
  echo "spark-submit.sh: $*" >&2
  exit 2
}

absolute() { # a path as the caller wrote it
  case $1 in
    /* | *://*) echo "$1" ;;
    *) echo "$PWD/$1" ;;
  esac
}

shown() { # words -> one line that a shell reads back as the same words
  local word line=""
  for word in "$@"; do
    [[ $word =~ ^[A-Za-z0-9_./:=,@%+-]+$ ]] || word="'${word//\'/\'\\\'\'}'"
    line+="$word "
  done
  echo "${line% }"
}

settings() { # conf files -> `key=value` a line; a later file wins
  cat "$@" | awk 'NF && !/^#/ { key = $1; sub(/^[^ \t]+[ \t]+/, ""); sub(/[ \t]+$/, ""); value[key] = $0 }
    END { for (key in value) print key "=" value[key] }' | sort
}

# --- what is asked

[[ ${1:-} != --help && ${1:-} != -h ]] || { usage; exit 0; }
[[ $# -gt 0 ]] || { usage >&2; exit 2; }
job=$1
shift
[[ $job =~ ^[a-z][a-z_]*$ && -f "$home/jobs/$job.py" ]] || fail "no job is called '$job'; there are: $(jobs | paste -sd' ' -)"

conf="" show="" asks_help="" target="" arguments=()
while (($#)); do
  case $1 in
    --) shift; break ;;
    --show) show=yes ;;
    --dry-run) if grep -q '^DRY_RUN = ' "$home/jobs/$job.py"; then arguments+=("$1"); else show=yes; fi ;;
    --help | -h) asks_help=yes ;;
    --conf) [[ $# -gt 1 ]] || fail "--conf wants a file, such as conf/local.yaml"; conf=$2; shift ;;
    --conf=*) conf=${1#--conf=} ;;
    --target) [[ $# -gt 1 ]] || fail "--target wants a name: emr-serverless"; target=$2; shift ;;
    *) arguments+=("$1") ;;
  esac
  shift
done
spark_options=("$@")

master=${MASTER:-local[*]}
mode=${DEPLOY_MODE:-client}
[[ $mode == client || $mode == cluster ]] || fail "DEPLOY_MODE is '$mode'; right is client or cluster"
[[ -z $target || $target == emr-serverless ]] || fail "--target is '$target'; right is emr-serverless"
if [[ -n $target ]]; then
  [[ -n $show ]] || fail "--target $target can only be shown so far: add --show"
  [[ -n ${TICKLAKE_ARTIFACTS:-} ]] || fail "--target $target: TICKLAKE_ARTIFACTS is missing; it says where the files are, such as s3://bucket/ticklake"
  master="" mode=cluster
fi
python=$home/.venv/bin/python
[[ -x $python ]] || python=python3

if [[ -n $asks_help ]]; then
  PYTHONPATH=$home exec "$python" "$home/jobs/$job.py" --help
fi
[[ -n $conf ]] || fail "--conf is missing; it names the configuration, such as conf/local.yaml"
conf=$(absolute "$conf")
[[ $conf == *://* || -f $conf ]] || fail "--conf $conf: no such file"

# --- the command

version=$(sed -n 's/^version *= *//p' "$home/setup.cfg")
zip=$home/dist/ticklake-$version.zip
jars=$home/.cache/jars
archive=$home/.cache/spark.jsa
there=$home/dist # where a cluster gets our files from
[[ -z $target ]] || there=${TICKLAKE_ARTIFACTS%/}
environment=()
files=("$home/conf/spark-common.conf")
command=(--master "$master" --deploy-mode "$mode")
[[ -z $target ]] || command=()
command+=(--name "ticklake-$job" --py-files "$there/${zip##*/}")

if [[ $master == local* ]]; then
  files+=("$home/conf/spark-local.conf")
  # the venv's Spark, whatever Spark the environment points to; nobody outside can reach the driver
  environment=(SPARK_HOME="$home/.venv/lib/python3.11/site-packages/pyspark" SPARK_LOCAL_IP=127.0.0.1 PYSPARK_PYTHON="$python")
  command+=(--conf "spark.driver.extraClassPath=$jars/*" --conf "spark.sql.warehouse.dir=$home/.cache/warehouse")
else
  files+=("$home/conf/spark-cluster.conf")
  # the driver runs here, the executors where this machine's paths mean nothing
  [[ $mode == cluster ]] || environment=(PYSPARK_DRIVER_PYTHON="$python")
  if [[ $master != yarn && -z $target ]]; then
    command+=(--jars "$(printf '%s\n' "$jars"/*.jar | paste -sd, -)")
  fi
fi
# some jobs need wheels that no cluster has: setup/environment.sh packs them. Of `quality` the driver alone
extra=""
[[ $job != quality || $mode != cluster ]] || extra=quality
[[ ($job != compact && $job != adopt) || $master == local* ]] || extra=history
if [[ -n $extra ]]; then
  packed=./environment/bin/python
  command+=(--archives "$there/$extra-environment.tar.gz#environment" --conf "spark.pyspark.python=$packed")
  # set, the one for all wins over the driver's in the environment
  [[ $mode == cluster ]] || command+=(--conf "spark.pyspark.driver.python=$python")
  [[ $master != yarn || $mode != cluster ]] || command+=(--conf "spark.yarn.appMasterEnv.PYSPARK_PYTHON=$packed")
  [[ -z $target ]] || command+=(--conf "spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON=$packed"
    --conf "spark.emr-serverless.driverEnv.PYSPARK_PYTHON=$packed")
  [[ -z $target || $extra != history ]] || command+=(--conf "spark.executorEnv.PYSPARK_PYTHON=$packed")
fi
if [[ $mode == cluster ]]; then
  travels=("$conf")
  if [[ $job == quality ]]; then
    suites=${conf%/*}/expectations
    [[ -d $suites ]] || suites=$home/conf/expectations
    travels+=("$suites"/*.json)
    arguments=(--expectations . ${arguments[@]+"${arguments[@]}"})
  fi
  if [[ $job == catalog ]]; then
    views=${conf%/*}/views
    [[ -d $views ]] || views=$home/conf/views
    travels+=("$views"/*.sql)
    arguments=(--views . ${arguments[@]+"${arguments[@]}"})
  fi
  [[ -z $target ]] || travels=("${travels[@]/#*\//$there/}")
  command+=(--files "$(printf '%s\n' "${travels[@]}" | paste -sd, -)")
  conf=${conf##*/}
fi

while IFS= read -r setting; do
  if [[ $setting == spark.driver.extraJavaOptions=* && $master == local* ]]; then
    # quoted within the value: Spark splits it at spaces, and a folder's name may have one
    setting+=" \"-Dlog4j2.configurationFile=$home/conf/log4j2-local.properties\""
    [[ ! -f $archive ]] || setting+=" \"-XX:SharedArchiveFile=$archive\" -Xshare:auto -Xlog:cds=off -Xlog:cds+dynamic=off"
    # what both options are for: see setup/sparkconf.py
    [[ ${TICKLAKE_JIT:-} != c1 ]] || setting+=" -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m"
    # its workers want the memory: 0.1 GB of the JVM's is in use, but the space for what is new grows to all that it may have
    [[ $job != compact ]] || setting+=" -XX:MaxNewSize=512m"
  fi
  command+=(--conf "$setting")
done < <(settings "${files[@]}")

submit=$home/.venv/bin/spark-submit
[[ -x $submit ]] || submit=spark-submit
command=("$submit" "${command[@]}" ${spark_options[@]+"${spark_options[@]}"} "$there/$job.py" --conf "$conf" ${arguments[@]+"${arguments[@]}"})

if [[ -n $show ]]; then
  shown ${environment[@]+env "${environment[@]}"} "${command[@]}"
  exit 0
fi

# --- do it

archived=$home/dist/$extra-environment.tar.gz
if [[ -n $extra && (! -f $archived || $archived -ot $home/requirements.lock) ]]; then
  echo "spark-submit.sh: packing what $job needs beside Spark into dist/; it runs on machines like this one" >&2
  "$home/setup/environment.sh" "$extra" >&2
fi
if [[ $master == local* ]]; then
  faults=()
  fault=$(java_fault) && [[ -z $fault ]] || faults+=("$fault")
  fault=$(pair_fault "$home") && [[ -z $fault ]] || faults+=("$fault")
  ((${#faults[@]} == 0)) || { refuse "${faults[@]}"; exit 1; }
fi
(cd "$home" && "$python" -m setup.package >/dev/null)
# A copy away from jobs/: a script's own folder is the first place Python imports from, and a cluster has no such folder
part=$(mktemp "$home/dist/$job.XXXXXX")
cp "$home/jobs/$job.py" "$part"
chmod 644 "$part"
mv -f "$part" "$home/dist/$job.py"
exec env ${environment[@]+"${environment[@]}"} "${command[@]}"
