"""What a release holds, file by file, under one digest: written by `publish`, recomputed by `verify`.

A file's digest is its SHA-256; a folder's is the SHA-256 of its children's names and digests as sorted JSON; the root
hashes the top folder together with what the release was made from. Two releases are equal iff their roots are.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError
from pipeline.manifest import sha256
from pipeline.shard import canonical

MANIFEST = "manifest.json"
LAYOUT = 1
NOT_OURS = frozenset({".gitattributes", ".cache", MANIFEST})
"""What may lie beside the files of a release: the Hub's own file, a download's bookkeeping, and the manifest itself."""

Json = Mapping[str, object]


@dataclass(frozen=True)
class ReleaseFile:
    """One file of a release; `path` is its place in the repository, with slashes."""

    path: str
    bytes: int
    sha256: str


def files_in(folder: Path) -> list[ReleaseFile]:
    """Every file of a release's folder, by name."""
    found = (p for p in folder.rglob("*") if p.is_file() and p.relative_to(folder).parts[0] not in NOT_OURS)
    files = [ReleaseFile(p.relative_to(folder).as_posix(), p.stat().st_size, sha256(p)) for p in found]
    return sorted(files, key=lambda file: file.path)


def folder_digests(files: list[ReleaseFile]) -> dict[str, str]:
    """The digest of every folder; that of the top under ""."""
    children: dict[str, dict[str, str]] = {"": {}}
    for file in files:
        above, _, name = file.path.rpartition("/")
        children.setdefault(above, {})[name] = file.sha256
        while above:
            above = above.rpartition("/")[0]
            children.setdefault(above, {})
    digests: dict[str, str] = {}
    for folder in sorted(children, key=lambda path: (-path.count("/"), not path, path)):  # the deepest first, "" last
        digests[folder] = _sha(children[folder])
        if folder:
            above, _, name = folder.rpartition("/")
            children[above][f"{name}/"] = digests[folder]
    return dict(sorted(digests.items()))


def release_manifest(files: list[ReleaseFile], made_from: Json) -> Json:
    digests = folder_digests(files)
    top = {"layout": LAYOUT, "made_from": made_from, "files": digests[""]}
    listed = [{"path": file.path, "bytes": file.bytes, "sha256": file.sha256} for file in files]
    return {"layout": LAYOUT, "root": _sha(top), "made_from": made_from, "folders": digests, "files": listed}


def manifest_bytes(manifest: Json) -> bytes:
    return json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def read_manifest(folder: Path) -> Json | None:
    """The manifest of a release; None where there is none, or none of ours."""
    try:
        read = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    ours = isinstance(read, dict) and isinstance(read.get("root"), str) and isinstance(read.get("files"), list)
    return read if ours and isinstance(read.get("made_from"), dict) else None


def verified(folder: Path, where: str) -> Json:
    """The manifest of a release whose every byte is as listed; UserError names the files that are not."""
    said = read_manifest(folder)
    if said is None:
        raise UserError(f"{where}: no {MANIFEST} of a release in it: give a folder or repository that `publish` made")
    made_from = said["made_from"]
    again = release_manifest(files_in(folder), made_from if isinstance(made_from, dict) else {})
    wrong = list(_differences(said, again))
    if not wrong and (folder / MANIFEST).read_bytes() != manifest_bytes(again):
        wrong = [f"{MANIFEST} itself was changed"]
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise UserError(f"{where}: not as published: {', '.join(wrong[:5])}{more}: take another revision")
    return said


def _differences(said: Json, found: Json) -> Iterator[str]:
    listed, there = _by_path(said), _by_path(found)
    for path in sorted(listed.keys() | there.keys()):
        if path not in there:
            yield f"{path} is missing"
        elif path not in listed:
            yield f"{path} is not listed"
        elif listed[path] != there[path]:
            yield f"{path} was changed"


def _by_path(manifest: Json) -> dict[str, str]:
    files = manifest["files"]
    entries = [entry for entry in files if isinstance(entry, dict)] if isinstance(files, list) else []
    return {str(entry.get("path")): str(entry.get("sha256")) for entry in entries}


def _sha(data: object) -> str:
    return hashlib.sha256(canonical(data).encode()).hexdigest()
