"""A run on disk: its name and folder, its lock, its stages, and what is kept beside the shards.

    <root>/<name>/recipe.toml
                  round-<r>/<stage>/shard-00000.parquet ...   finished shards, each says itself what it is
                                    aside/shard-00000.parquet  rows set aside, with a `reason`
                                    stale/                     shards that the stage no longer has; never deleted
                                    manifest.json              written at the end of the stage
                                    times.jsonl                how long it took; what the clock says is only here
                                                               and in the manifest
                                    failures.log               tracebacks of shards that failed

Nothing here deletes a run or a finished shard.
"""

import contextlib
import importlib.metadata
import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.errors import BusyError, UserError, one_line
from pipeline.shard import canonical, is_temporary, write_atomically

ROOT_VARIABLE = "IMPOSSIBLE_RUNS"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DISTRIBUTION = "impossible-distillation-pipeline"
_HOUSE = Path(__file__).resolve().parent.parent


def runs_root(root: Path | None = None) -> Path:
    """Where runs live: the argument, else IMPOSSIBLE_RUNS, else data/runs of this checkout."""
    return root or Path(os.environ.get(ROOT_VARIABLE) or _HOUSE / "data" / "runs")


def check_name(name: str) -> str:
    """The name, if it is one: it becomes a folder, so nothing that could lead elsewhere passes."""
    if _NAME.fullmatch(name):
        return name
    proposal = re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip("._-")[:100] or "news-1"
    raise UserError(
        f"run name {name!r}: wanted up to 100 letters, digits, '.', '_' or '-', the first a letter or digit, "
        f"no folders: try {proposal!r}"
    )


def run_names(root: Path | None = None) -> list[str]:
    """All runs under a root, sorted."""
    folder = runs_root(root)
    if not folder.is_dir():
        return []
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and _NAME.fullmatch(p.name))


@dataclass(frozen=True)
class Run:
    """A folder of finished work. Holding one opens nothing and locks nothing."""

    folder: Path

    @classmethod
    def named(cls, name: str, root: Path | None = None) -> "Run":
        """The run of that name, whether it exists yet or not."""
        return cls(runs_root(root) / check_name(name))

    @classmethod
    def existing(cls, name: str, root: Path | None = None) -> "Run":
        """The run of that name, which must be there."""
        run = cls.named(name, root)
        if not run.folder.is_dir():
            there = ", ".join(run_names(root)) or "none yet"
            raise UserError(f"run {name!r}: not found in {run.folder.parent} (there: {there}): check the name")
        return run

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def recipe_file(self) -> Path:
        return self.folder / "recipe.toml"

    def write_recipe(self, text: str) -> None:
        write_atomically(self.recipe_file, text.encode())

    def stage(self, round_number: int, name: str) -> "StageFolder":
        return StageFolder(self.folder / f"round-{round_number}" / name)

    def stages(self) -> list[tuple[int, str]]:
        """(round, stage) of everything on disk, sorted."""
        folders = [p for p in self.folder.glob("round-*/*") if p.is_dir() and not is_temporary(p)]
        found = [(p.parent.name.removeprefix("round-"), p.name) for p in folders]
        return sorted((int(number), stage) for number, stage in found if number.isdigit())

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One process a run. The system drops the lock of a process that dies, however it dies.

        Leftovers of an earlier process are removed here, where no one else can be writing them.
        """
        self._make_folder()
        owner = self.folder / ".lock.json"
        lock = FileLock(self.folder / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise BusyError(
                f"run {self.name!r}: {_owner(owner)}: wait for it, stop it, or choose another RUN"
            ) from None
        try:
            said = {"pid": os.getpid(), "host": socket.gethostname(), "since": now()}
            self._remove_leftovers()
            write_atomically(owner, canonical(said).encode())
            yield
        finally:
            with contextlib.suppress(OSError):
                owner.unlink(missing_ok=True)
            lock.release()

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"run {self.name!r}: cannot make {self.folder}: {error.strerror}: choose a folder"
            ) from error

    def _remove_leftovers(self) -> None:
        for path in [p for p in self.folder.rglob(".*") if is_temporary(p)]:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


@dataclass(frozen=True)
class StageFolder:
    """The files of one stage of one round."""

    folder: Path

    def shard(self, index: int) -> Path:
        return self.folder / f"shard-{index:05d}.parquet"

    def aside(self, index: int) -> Path:
        return self.folder / "aside" / f"shard-{index:05d}.parquet"

    def shards(self) -> dict[int, Path]:
        """Every shard file on disk by its index, finished or not."""
        found = {p.stem.removeprefix("shard-"): p for p in self.folder.glob("shard-*.parquet")}
        return {int(index): path for index, path in sorted(found.items()) if index.isdigit()}

    def tables(self) -> list[Path]:
        """Every finished parquet file, sorted: the shards of a map stage, the named files of a fold stage."""
        return sorted(p for p in self.folder.glob("*.parquet") if not is_temporary(p))

    def retire(self, index: int, key: str) -> None:
        """Move a shard that the stage no longer has out of the way; it is kept under stale/."""
        for path in (self.shard(index), self.aside(index)):
            if path.exists():
                kept = self.folder / "stale" / path.parent.relative_to(self.folder) / f"{path.stem}.{key[:8]}.parquet"
                kept.parent.mkdir(parents=True, exist_ok=True)
                path.replace(kept)

    @property
    def manifest_file(self) -> Path:
        return self.folder / "manifest.json"

    def manifest(self) -> dict[str, object] | None:
        """The manifest, None where there is none or it cannot be read."""
        try:
            read = json.loads(self.manifest_file.read_bytes())
        except (OSError, ValueError):
            return None
        return read if isinstance(read, dict) else None

    def write_manifest(self, data: Mapping[str, object]) -> None:
        text = json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False)
        write_atomically(self.manifest_file, text.encode() + b"\n")

    def note_time(self, **entry: object) -> None:
        """Append one line to times.jsonl. Best effort: a torn line is skipped by the reader."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError), (self.folder / "times.jsonl").open("a") as file:
            file.write(f"\n{canonical(entry)}")

    def seconds(self) -> float:
        """Wall time since the stage was last begun from nothing, over all its attempts."""
        total = attempt = 0.0
        for entry in self._times():
            elapsed = entry.get("elapsed")
            if isinstance(elapsed, (int, float)):
                attempt = float(elapsed)
            else:
                total, attempt = (total + attempt if entry.get("kept") else 0.0), 0.0
        return round(total + attempt, 3)

    def planned(self) -> int | None:
        """How many shards the last attempt wanted; None where that is not known."""
        wanted = [entry["shards"] for entry in self._times() if isinstance(entry.get("shards"), int)]
        return int(str(wanted[-1])) if wanted else None

    def _times(self) -> Iterator[dict[str, object]]:
        try:
            lines = (self.folder / "times.jsonl").read_text(errors="replace").splitlines()
        except OSError:
            return
        for line in lines:
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                if isinstance(entry, dict):
                    yield entry

    def note_failure(self, index: int, trace: str) -> None:
        """Keep a traceback where it can be found; the error that is shown is one line."""
        with contextlib.suppress(OSError), (self.folder / "failures.log").open("a") as file:
            file.write(f"{now()} shard {index}\n{trace.rstrip()}\n\n")


def _owner(path: Path) -> str:
    """Who holds a run, as far as its side file says."""
    try:
        said = json.loads(path.read_bytes())
        return f"process {said['pid']} on {said['host']} works on it since {said['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process works on it"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def code_version() -> str:
    """The commit of this checkout ("-dirty" with changes in it), else the version of the package."""
    if (_HOUSE / ".git").exists():
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            asked = ["git", "-C", str(_HOUSE), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
            return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    try:
        return importlib.metadata.version(_DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError as error:
        return one_line(error)
