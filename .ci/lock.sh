#!/usr/bin/env bash
# Resolves both lock files with uv. The CPU build of torch is looked for where PIP_FIND_LINKS or TORCH_INDEX say.
set -euo pipefail
resolve() {
    uv pip compile pyproject.toml --python-version 3.11 --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links --upgrade --quiet "$@"
}
where=(${PIP_FIND_LINKS:+--find-links "$PIP_FIND_LINKS"} ${TORCH_INDEX:+--index "$TORCH_INDEX"})
resolve --override .ci/overrides-cpu.txt --extra cpu --extra models --extra dev "${where[@]}" --output-file requirements-cpu.lock
resolve --override .ci/overrides-cuda.txt --extra cuda --extra models --extra dev --output-file requirements-cuda.lock
