#!/usr/bin/env bash
# Packs what a job needs beside Spark into dist/, for a cluster: run it on the cluster's architecture and C library.
# Of setup.cfg's extras: `quality` for the job of that name, `history` for `compact` and `adopt`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
extra=${1:?which extra of setup.cfg: quality or history}
target=$PWD/dist/$extra-environment.tar.gz
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=$(setup/prerequisites.sh)

# the extra alone, in the versions and with the hashes of the lock; Spark and its Python package are the cluster's
.venv/bin/uv pip compile --quiet --extra "$extra" --generate-hashes --no-annotate --no-header --universal --python-version 3.11 \
  --constraint requirements.lock --output-file "$folder/locked.txt" setup.cfg
"$python" -m venv --copies "$folder/environment"
"$folder/environment/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r "$folder/locked.txt"
mkdir -p dist
.venv/bin/venv-pack --quiet --force --prefix "$folder/environment" --output "$target.part.tar.gz"
mv "$target.part.tar.gz" "$target"
echo "$target"
