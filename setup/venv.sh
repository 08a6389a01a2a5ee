#!/usr/bin/env bash
# The project's own Python: .venv with exactly what requirements.lock holds. Its stamp is given by the caller and written last.
set -euo pipefail
stamp=$1
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=$(setup/prerequisites.sh)

say() { printf '==> %s\n' "$*" >&2; }

if [[ $(.venv/bin/python --version 2>/dev/null) != "Python 3.11."* ]]; then
  say "a Python of the project's own in .venv"
  rm -rf .venv
  "$python" -m venv .venv
fi
pip() { .venv/bin/python -m pip "$@" --quiet --disable-pip-version-check; }
say "the locked packages; pyspark alone is 455 MB, so the first time takes some minutes"
# pyspark comes as source. Its build gets these from the lock, not whatever is newest today
tools=$(mktemp)
trap 'rm -f "$tools"' EXIT
awk '/^[a-zA-Z]/ { wanted = /^(setuptools|wheel|packaging)==/ } wanted' requirements.lock >"$tools"
pip install --require-hashes --only-binary :all: -r "$tools"
pip install --require-hashes --no-build-isolation --only-binary :all: --no-binary pyspark -r requirements.lock
say "ticklake itself, in place, with its command ticklake-ingest"
pip install --no-index --no-deps --no-build-isolation --editable .
rm -f .venv/.locked-*
touch "$stamp"
