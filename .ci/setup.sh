#!/usr/bin/env bash
# Makes .venv from the lock file. Idempotent; called by `make setup` with PYTHON VENV LOCK DEVICE TORCH_INDEX set.
set -euo pipefail

fail() { echo "make setup: $*" >&2; exit 2; }

[ "$DEVICE" = cpu ] || [ "$DEVICE" = cuda ] || fail "DEVICE=$DEVICE: wanted cpu or cuda"
[ -n "$PYTHON" ] || fail "no python3.11 on the path: install Python 3.11 with venv, or give PYTHON=/path/to/python3.11"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' ||
    fail "$PYTHON is $("$PYTHON" --version): wanted Python 3.11; give PYTHON=/path/to/python3.11"

[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV" || fail "could not make $VENV: install the venv module of Python 3.11"
pip=("$VENV/bin/python" -m pip --disable-pip-version-check)

# The CPU build of torch is not on PyPI under its own name: first what pip is set up to find, then PyTorch's own index.
torch=$(grep -E '^torch==' "$LOCK")
installed() { [ "$("$VENV/bin/python" -c 'import importlib.metadata as m; print("torch==" + m.version("torch"))' 2>/dev/null)" = "$torch" ]; }
if [ "$DEVICE" = cpu ] && ! installed; then
    "${pip[@]}" install --quiet --no-deps "$torch" 2>/dev/null ||
        "${pip[@]}" install --quiet --no-deps --index-url "$TORCH_INDEX" "$torch" ||
        fail "no wheel for $torch at $TORCH_INDEX: give TORCH_INDEX=url of an index with PyTorch's CPU wheels, or PIP_FIND_LINKS=folder"
fi

# --no-deps: the lock is complete, and leaves out what would not import beside this torch (see .ci/overrides-cpu.txt).
rest=$(mktemp)
trap 'rm -f "$rest"' EXIT
if [ "$DEVICE" = cpu ]; then grep -vE '^torch==' "$LOCK" >"$rest"; else cp "$LOCK" "$rest"; fi
"${pip[@]}" install --quiet --no-deps -r "$rest"
"${pip[@]}" install --quiet --no-deps --no-build-isolation -e .
"$VENV/bin/python" -c 'import torch, pyarrow, transformers' || fail "the installed packages do not import"
echo "make setup: $VENV is ready ($torch, DEVICE=$DEVICE)"
