#!/bin/sh
# Installs the server into a new environment at $1: every package at the version and with a hash of requirements.lock, the
# wheel of this source with what a server needs, nothing to build with. Run in the source's folder; the Containerfile does.
set -eu
target=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tools="$work/tools/bin"

python3 -m venv "$work/tools"
# The pip of the base image may be too old to take hashes from constraints.
awk '/^[^ ]/ { wanted = /^pip==/ } wanted' requirements.lock > "$work/pip.txt"
"$tools/python" -m pip install --quiet --no-deps --require-hashes --requirement "$work/pip.txt"
"$tools/python" -m pip install --quiet --require-hashes --constraint requirements.lock hatchling
"$tools/python" -m hatchling build --target wheel --directory "$work"

wheel=$(echo "$work"/*.whl)
hash=$(sha256sum "$wheel" | cut -d ' ' -f 1)
echo "flywheel-mlflow[auth,notify,postgresql,s3] @ file://$wheel --hash=sha256:$hash" > "$work/server.txt"
python3 -m venv --without-pip "$target"
# Of a package that the lock does not name pip takes no version here.
"$tools/python" -m pip --python "$target/bin/python" install --quiet --require-hashes --only-binary :all: \
  --constraint requirements.lock --requirement "$work/server.txt"
"$tools/python" -m pip --python "$target/bin/python" check
