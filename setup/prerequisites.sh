#!/usr/bin/env bash
# What a machine must bring: Python 3.11 and Java 17; for `make faults` strace, too. And what set-up made of it: the pair of pyspark and Delta.
# Run it to check the machine (prints the Python to use; with `tests`, what those need as well); source it for the functions.

installer() { # names of the package on Debian, in Homebrew, on Red Hat -> the command that brings it
  if command -v apt-get >/dev/null; then
    echo "sudo apt-get install $1"
  elif command -v brew >/dev/null; then
    echo "brew install $2"
  else
    echo "sudo dnf install $3"
  fi
}

python_fault() { # the python to use -> nothing if it is right
  local fix found
  fix="$(installer 'python3.11 python3.11-venv' python@3.11 python3.11) (or name one: make setup PYTHON=/path/to/python3.11)"
  if ! command -v "$1" >/dev/null; then
    found=$(python3 --version 2>/dev/null) || found="no Python"
    echo "Python: $found is here, Python 3.11 is needed: $fix"
  elif found=$("$1" --version 2>&1) && [[ $found != "Python 3.11."* ]]; then
    echo "Python: $found ($(command -v "$1")) is here, Python 3.11 is needed: $fix"
  elif ! "$1" -c 'import venv, ensurepip' >/dev/null 2>&1; then
    echo "Python: $found is here without its module ensurepip, which makes virtual environments: $fix"
  fi
}

java_fault() { # nothing if Spark will start with the right one
  local java=java fix found
  fix="$(installer openjdk-17-jre-headless openjdk@17 java-17-openjdk-headless) (or set JAVA_HOME to a Java 17)"
  [[ -z ${JAVA_HOME:-} ]] || java="$JAVA_HOME/bin/java"
  if ! found=$("$java" -version 2>&1); then
    echo "Java: no Java${JAVA_HOME:+ in JAVA_HOME=$JAVA_HOME} is here, Java 17 is needed: $fix"
  elif [[ ! $found =~ version\ \"17[.\"] ]]; then
    [[ $found =~ version\ \"([^\"]*)\" ]] && found="${BASH_REMATCH[1]}"
    echo "Java: Java $found ($(command -v "$java")) is here, Java 17 is needed: $fix"
  fi
}

strace_fault() { # nothing if the tests can make system calls fail
  command -v strace >/dev/null || echo "strace: it is not here, and makes system calls fail in tests: $(installer strace strace strace)"
}

pair_fault() { # the project's folder -> nothing if the venv holds the locked pair and Delta's jar is of the same version
  local home=$1 name needed found wrong="" jars
  for name in pyspark delta-spark; do
    needed=$(sed -n "s/^ *$name==\([0-9.]*\).*/\1/p" "$home/setup.cfg")
    found=$(cd "$home/.venv/lib/python3.11/site-packages" 2>/dev/null && echo "${name/-/_}"-*.dist-info)
    found=${found#"${name/-/_}"-}
    found=${found%.dist-info}
    [[ $found != "*" && -n $found ]] || found=none
    [[ $found == "$needed" ]] || wrong+="${wrong:+, }$name $found is here, $needed is needed"
  done
  jars=$(cd "$home/.cache/jars" 2>/dev/null && echo delta-spark_*.jar)
  [[ $jars == *"-$needed.jar" ]] || wrong+="${wrong:+, }Delta's jar $needed is needed in .cache/jars, ${jars:-nothing} is here"
  # a Delta that meets another Spark fails in the middle of a job, with a NoSuchMethodError
  [[ -z $wrong ]] || echo "Spark and Delta: $wrong: make -C $home setup"
}

refuse() { # faults -> one message
  printf 'ticklake cannot run here:\n' >&2
  printf '  %s\n' "$@" >&2
}

machine() { # nothing, or `faults`
  local python=${PYTHON:-python3.11} fault faults=()
  fault=$(python_fault "$python") && [[ -z $fault ]] || faults+=("$fault")
  fault=$(java_fault) && [[ -z $fault ]] || faults+=("$fault")
  [[ ${1:-} != faults ]] || { fault=$(strace_fault) && [[ -z $fault ]] || faults+=("$fault"); }
  if ((${#faults[@]})); then
    refuse "${faults[@]}"
    return 1
  fi
  command -v "$python"
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  machine "$@"
fi
