"""The manifest: what a finished stage wrote, from what, with which code and when. Read by people and by `publish`."""

import hashlib
from pathlib import Path

from pipeline.shard import Header, count_rows
from pipeline.stage import Counts, FoldStage, MapStage
from pipeline.store import code_version, now


def manifest(stage: MapStage | FoldStage, round_number: int, key: str, counts: Counts) -> dict[str, object]:
    return {
        "stage": stage.name,
        "round": round_number,
        "key": key,
        "spec": dict(stage.spec()),
        "counts": dict(counts),
        "code": code_version(),
        "finished": now(),
    }


def entry(path: Path, header: Header, **more: object) -> dict[str, object]:
    """A finished parquet file as the manifest lists it."""
    said = {"key": header.key, "content": header.content, "counts": dict(header.counts), "aside": header.aside}
    return {"file": path.name, "rows": count_rows(path), "sha256": sha256(path)} | said | more


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
