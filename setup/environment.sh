#!/usr/bin/env bash
# Packs what `quality` needs beside Spark into dist/, for a cluster: run it on the cluster's architecture and C library.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=$PWD/dist/quality-environment.tar.gz
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=$(setup/prerequisites.sh)

# the extra alone, in the versions and with the hashes of the lock; Spark and its Python package are the cluster's
.venv/bin/uv pip compile --quiet --extra quality --generate-hashes --no-annotate --no-header --universal --python-version 3.11 \
  --constraint requirements.lock --output-file "$folder/locked.txt" setup.cfg
"$python" -m venv --copies "$folder/environment"
"$folder/environment/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r "$folder/locked.txt"
mkdir -p dist
.venv/bin/venv-pack --quiet --force --prefix "$folder/environment" --output "$target.part.tar.gz"
mv "$target.part.tar.gz" "$target"
echo "$target"
