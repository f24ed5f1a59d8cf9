"""What the loopback Hub answers to each call that the client makes; `call` is the request being answered."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import yaml

WRITER, READER = "hf_writerWriterWriter", "hf_readerReaderReader"
_LARGE = (".parquet", ".safetensors")
_REPO = r"/(?P<kind>datasets|models|spaces)/(?P<id>[^/]+/[^/]+)"


@dataclass
class Repo:
    private: bool
    commits: list[dict[str, bytes]] = field(default_factory=lambda: [{".gitattributes": b"*.parquet filter=lfs\n"}])
    tags: dict[str, int] = field(default_factory=dict)

    def sha(self, number: int = -1) -> str:
        place = number % len(self.commits)
        return hashlib.sha1(f"{id(self)}-{place}".encode()).hexdigest()

    def at(self, revision: str) -> int | None:
        shas = {self.sha(i): i for i in range(len(self.commits))}
        return len(self.commits) - 1 if revision == "main" else self.tags.get(revision, shas.get(revision))


class RefusedError(Exception):
    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        self.status, self.code, self.message = status, code, message


def _token(call: Any) -> str:
    return call.headers.get("Authorization", "").removeprefix("Bearer ")


def _repo(call: Any, found: re.Match[str]) -> Repo:
    if _token(call) not in ("", WRITER, READER):
        raise RefusedError(401, "", "Invalid credentials in Authorization header")
    repo = call.server.repos.get((found["kind"], found["id"]))
    if repo is None or (repo.private and not _token(call)):
        raise RefusedError(404 if _token(call) else 401, "RepoNotFound", "Repository not found")
    return repo


def _may_write(call: Any) -> None:
    if _token(call) != WRITER:
        raise RefusedError(403 if _token(call) == READER else 401, "", "You have no right to write here")


def _number(repo: Repo, revision: str) -> int:
    number = repo.at(revision)
    if number is None:
        raise RefusedError(404, "RevisionNotFound", f"no revision {revision}")
    return number


def info(call: Any, found: re.Match[str], _: bytes) -> object:
    repo = _repo(call, found)
    number = _number(repo, found["rev"] or "main")
    files = [{"rfilename": path} for path in sorted(repo.commits[number])]
    said = {"id": found["id"], "sha": repo.sha(number), "private": repo.private, "siblings": files, "tags": []}
    return said | {
        "author": found["id"].split("/")[0],
        "downloads": 0,
        "likes": 0,
        "disabled": False,
        "gated": False,
    }


def refs(call: Any, found: re.Match[str], _: bytes) -> object:
    repo = _repo(call, found)
    tags = [{"name": t, "ref": f"refs/tags/{t}", "targetCommit": repo.sha(n)} for t, n in repo.tags.items()]
    main = {"name": "main", "ref": "refs/heads/main", "targetCommit": repo.sha()}
    return {"branches": [main], "converts": [], "tags": tags}


def create(call: Any, _: re.Match[str], body: bytes) -> object:
    _may_write(call)
    asked = json.loads(body)
    key = (f"{asked.get('type') or 'model'}s", f"{asked['organization']}/{asked['name']}")
    if key in call.server.repos:
        raise RefusedError(409, "", "You already created this repo")
    call.server.repos[key] = Repo(asked.get("visibility") == "private")
    return {"url": f"{call.server.url}/{'datasets/' if key[0] == 'datasets' else ''}{key[1]}"}


def validate_yaml(call: Any, _: re.Match[str], body: bytes) -> object:
    head = yaml.safe_load(json.loads(body)["content"].split("---")[1])
    wrong = [] if isinstance(head.get("license"), str) else [{"message": '"license" must be a string'}]
    if wrong:
        raise RefusedError(400, "", str(wrong))
    return {"errors": [], "warnings": []}


def preupload(call: Any, found: re.Match[str], body: bytes) -> object:
    _may_write(call)
    head = _repo(call, found).commits[-1]
    return {"files": [_mode(each["path"], head.get(each["path"])) for each in json.loads(body)["files"]]}


def batch(call: Any, found: re.Match[str], body: bytes) -> object:
    _may_write(call)
    objects = [{"oid": each["oid"], "size": each["size"]} for each in json.loads(body)["objects"]]
    for each in objects:
        if each["oid"] not in call.server.large:
            each["actions"] = {"upload": {"href": f"{call.server.url}/large/{each['oid']}"}}
    return {"transfer": "basic", "objects": objects}


def put(call: Any, found: re.Match[str], body: bytes) -> object:
    if hashlib.sha256(body).hexdigest() != found["oid"]:
        raise RefusedError(400, "", "these bytes have another hash")
    call.server.large[found["oid"]] = body
    return {}


def commit(call: Any, found: re.Match[str], body: bytes) -> object:
    _may_write(call)
    repo, lines = _repo(call, found), [json.loads(line) for line in body.splitlines()]
    if lines[0]["value"].get("parentCommit", repo.sha()) != repo.sha():
        raise RefusedError(412, "", "main has moved")
    files = dict(repo.commits[-1])
    for line in lines[1:]:
        path = line["value"]["path"]
        if line["key"] == "deletedFile":
            del files[path]
        elif line["key"] == "file":
            files[path] = base64.b64decode(line["value"]["content"])
        elif line["value"]["oid"] in call.server.large:
            files[path] = call.server.large[line["value"]["oid"]]
        else:
            raise RefusedError(400, "", f"{path} was not uploaded")
    repo.commits.append(files)
    place = f"{'datasets/' if found['kind'] == 'datasets' else ''}{found['id']}"
    return {"commitUrl": f"{call.server.url}/{place}/commit/{repo.sha()}", "commitOid": repo.sha(), "success": True}


def tag(call: Any, found: re.Match[str], body: bytes) -> object:
    _may_write(call)
    repo, name = _repo(call, found), json.loads(body)["tag"]
    if name in repo.tags:
        raise RefusedError(409, "", "tag exists")
    repo.tags[name] = _number(repo, found["rev"])
    return {}


def tree(call: Any, found: re.Match[str], _: bytes) -> object:
    repo, below = _repo(call, found), (found["path"] or "").strip("/")
    files = repo.commits[_number(repo, found["rev"])]
    inside = {path: data for path, data in files.items() if not below or path.startswith(f"{below}/")}
    if below and not inside:
        raise RefusedError(404, "EntryNotFound", below)
    deep = "recursive=true" in call.path.lower() or "recursive=1" in call.path
    start = len(below) + 1 if below else 0
    listed = {p: _entry(p, d) for p, d in inside.items() if deep or "/" not in p[start:]}
    for path in inside:
        parts = path[start:].split("/")[:-1]
        for depth in range(len(parts) if deep else min(len(parts), 1)):
            folder = path[:start] + "/".join(parts[: depth + 1])
            listed[folder] = {"type": "directory", "path": folder, "oid": "0" * 40, "size": 0}
    return [listed[path] for path in sorted(listed)]


def paths_info(call: Any, found: re.Match[str], body: bytes) -> object:
    repo = _repo(call, found)
    files = repo.commits[_number(repo, found["rev"])]
    asked = (
        json.loads(body) if body.startswith(b"{") else {"paths": re.findall(r"paths=([^&]+)", unquote(body.decode()))}
    )
    return [_entry(path, files[path]) for path in asked["paths"] if path in files]


def resolve(call: Any, found: re.Match[str], _: bytes) -> None:
    kind = {"kind": "datasets" if found["prefix"] else "models", "id": found["id"]}
    repo = _repo(call, kind)  # type: ignore[arg-type]
    number = _number(repo, found["rev"])
    data = repo.commits[number].get(found["path"])
    if data is None:
        raise RefusedError(404, "EntryNotFound", found["path"])
    headers = {
        "ETag": f'"{_oid(found["path"], data)}"',
        "X-Repo-Commit": repo.sha(number),
        "Accept-Ranges": "bytes",
    }
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", call.headers.get("Range", ""))
    if not asked:
        call._send(200, data, headers | {"Content-Length": str(len(data))})
        return
    first, last = int(asked[1]), min(int(asked[2] or len(data) - 1), len(data) - 1)
    headers |= {"Content-Range": f"bytes {first}-{last}/{len(data)}", "Content-Length": str(last - first + 1)}
    call._send(206, data[first : last + 1], headers)


def _mode(path: str, there: bytes | None) -> dict[str, object]:
    large = path.endswith(_LARGE)
    said = {"path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
    return said if there is None else said | {"oid": _oid(path, there)}


def _oid(path: str, data: bytes) -> str:
    if path.endswith(_LARGE):
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _entry(path: str, data: bytes) -> dict[str, object]:
    said = {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
    large = {"oid": _oid(path, data), "size": len(data), "pointerSize": 130}
    return said | ({"lfs": large} if path.endswith(_LARGE) else {})


Work = Callable[[Any, "re.Match[str]", bytes], object]
ROUTES: list[tuple[str, str, Work]] = [
    ("POST", r"/api/repos/create", create),
    ("POST", r"/api/validate-yaml", validate_yaml),
    ("GET", rf"/api{_REPO}(?:/revision/(?P<rev>[^/]+))?", info),
    ("GET", rf"/api{_REPO}/refs", refs),
    ("POST", rf"/api{_REPO}/preupload/main", preupload),
    ("POST", rf"/api{_REPO}/commit/main", commit),
    ("POST", rf"/api{_REPO}/tag/(?P<rev>[^/]+)", tag),
    ("GET", rf"/api{_REPO}/tree/(?P<rev>[^/]+)(?P<path>/.*)?", tree),
    ("POST", rf"/api{_REPO}/paths-info/(?P<rev>[^/]+)", paths_info),
    ("POST", r"/(?:datasets/)?[^/]+/[^/]+\.git/info/lfs/objects/batch", batch),
    ("PUT", r"/large/(?P<oid>[0-9a-f]+)", put),
    ("GET HEAD", r"/(?P<prefix>datasets/)?(?P<id>[^/]+/[^/]+)/resolve/(?P<rev>[^/]+)/(?P<path>.+)", resolve),
]
