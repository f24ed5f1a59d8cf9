"""Push a release to the Hub: one atomic commit and a tag. The only module here that talks to the Hub about releases.

A push first looks at what is there and then does what is missing, so that it can be tried again at any point: files
that the Hub has are not sent again, a commit that is there is only tagged, a tag that is there is left alone. Until the
commit, which is one request, main stays as it was.
"""

import json
import logging
import re
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import UserError
from pipeline.hub.errors import explained, failures, seconds_to_wait
from pipeline.hub.release import Release
from pipeline.hub.release_manifest import MANIFEST, NOT_OURS

if TYPE_CHECKING:
    from huggingface_hub import HfApi

LOG = logging.getLogger(__name__)
MOST_TRIES = 6
_NAME = r"(?!.*(?:--|\.\.))[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?(?<!\.git)"
_REPO = re.compile(rf"{_NAME}/{_NAME}")
_LONGEST_REPO = 96
KINDS = {"dataset": "data set", "model": "model", "space": "space"}

Wait = Callable[[float], None]


@dataclass(frozen=True)
class Target:
    """A repository: `org/name`, its kind ("dataset" or "model"), and whether it is to be private."""

    repo: str
    kind: str
    private: bool = False


@dataclass(frozen=True)
class Hub:
    """The client and its token, which is shown nowhere."""

    api: "HfApi" = field(repr=False)
    token: str = field(repr=False)


@dataclass(frozen=True)
class Pushed:
    """What a push came to; `new` is False where the Hub had all of it already."""

    url: str
    commit: str
    tag: str
    new: bool


@dataclass(frozen=True)
class _Found:
    """What a repository holds: the head of main with its files, and the commits of its tags."""

    head: str
    files: frozenset[str]
    tags: Mapping[str, str]
    private: bool


def check_repo(repo: str) -> None:
    """UserError where this cannot be a repository's name."""
    if not _REPO.fullmatch(repo) or len(repo) > _LONGEST_REPO:
        raise UserError(f"repository {repo!r}: wanted REPO=org/name, of letters, digits, '-', '_' and '.', at most 96")


def connect() -> Hub:
    """The Hub with the token from the usual places: HF_TOKEN, else what `hf auth login` left."""
    from huggingface_hub import HfApi, get_token

    _quiet()
    token = get_token()
    if not token:
        raise UserError("no token for the Hub: set HF_TOKEN, or run `.venv/bin/hf auth login` once")
    return Hub(HfApi(token=token), token)


def _quiet() -> None:
    """No log of addresses, which may be signed; no progress bars where nobody looks."""
    from huggingface_hub.utils import disable_progress_bars

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    if not sys.stderr.isatty():
        disable_progress_bars()


def push(hub: Hub, target: Target, release: Release, tag: str, wait: Wait = time.sleep) -> Pushed:
    """Publish a release under a tag, however often the Hub or the network has to be asked."""
    tries = 1
    while True:
        try:
            return _push(hub, target, release, tag)
        except failures() as error:
            seconds = seconds_to_wait(error, tries) if tries < MOST_TRIES else None
            said = explained(error, target.repo, hub.token, hub.api.endpoint)
            if seconds is None:
                raise UserError(said) from None  # the cause could hold the token
            reason = said.rpartition(": ")[0]  # without the remedy
            LOG.warning("%s: again in %.0f s (try %d of %d)", reason, seconds, tries + 1, MOST_TRIES)
            wait(seconds)
            tries += 1


def _push(hub: Hub, target: Target, release: Release, tag: str) -> Pushed:
    found = _look(hub, target)
    if found is None:
        _refuse_another_kind(hub, target)
        hub.api.create_repo(target.repo, repo_type=target.kind, private=target.private or None, exist_ok=True)
        found = _look(hub, target)
        if found is None:
            raise UserError(f"{target.repo}: made, but not to be seen: check the token's rights and start again")
    if target.private and not found.private:
        raise UserError(
            f"{target.repo}: it is public, and --private was asked: make it private there, or take a new one"
        )
    if tag in found.tags:
        _refuse_another_content(hub, target, release, tag, found.tags[tag])
        return Pushed(_url(hub, target), found.tags[tag], tag, new=False)
    commit = found.head
    if _root_at(hub, target, found, found.head) != release.root:
        _refuse_foreign_files(hub, target, found)
        commit = _commit(hub, target, release, tag, found)
    hub.api.create_tag(target.repo, tag=tag, revision=commit, repo_type=target.kind)
    return Pushed(_url(hub, target), commit, tag, new=True)


def _look(hub: Hub, target: Target) -> _Found | None:
    """What is there; None where there is no such repository."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = hub.api.repo_info(target.repo, repo_type=target.kind)
    except RepositoryNotFoundError:
        return None
    refs = hub.api.list_repo_refs(target.repo, repo_type=target.kind)
    files = frozenset(each.rfilename for each in getattr(info, "siblings", None) or [])
    private = bool(getattr(info, "private", False))
    return _Found(str(info.sha), files, {t.name: t.target_commit for t in refs.tags}, private)


def _refuse_another_kind(hub: Hub, target: Target) -> None:
    for kind, name in KINDS.items():
        if kind != target.kind and hub.api.repo_exists(target.repo, repo_type=kind):
            wanted = KINDS[target.kind]
            raise UserError(f"{target.repo}: it is a {name} on the Hub, wanted a {wanted}: take another name")


def _refuse_another_content(hub: Hub, target: Target, release: Release, tag: str, commit: str) -> None:
    if _root(hub, target, commit) != release.root:
        raise UserError(
            f"{target.repo}: its tag {tag} holds other content, and a release is never changed: choose another TAG="
        )


def _refuse_foreign_files(hub: Hub, target: Target, found: _Found) -> None:
    """A repository with files that no release of ours put there is left alone."""
    foreign = sorted(found.files - NOT_OURS)
    if foreign and _root_at(hub, target, found, found.head) is None:
        raise UserError(
            f"{target.repo}: it holds other content ({foreign[0]}, ...) and no {MANIFEST} of ours: take another name"
        )


def _root_at(hub: Hub, target: Target, found: _Found, commit: str) -> str | None:
    return _root(hub, target, commit) if MANIFEST in found.files else None


def _root(hub: Hub, target: Target, commit: str) -> str | None:
    """The digest of the release at a commit; None where there is no manifest of ours."""
    from huggingface_hub.errors import RemoteEntryNotFoundError

    with tempfile.TemporaryDirectory() as folder:
        try:
            file = hub.api.hf_hub_download(
                target.repo, MANIFEST, repo_type=target.kind, revision=commit, cache_dir=folder
            )
            read = json.loads(Path(file).read_bytes())
        except (RemoteEntryNotFoundError, json.JSONDecodeError):
            return None
    return str(read["root"]) if isinstance(read, dict) and "root" in read else None


def _commit(hub: Hub, target: Target, release: Release, tag: str, found: _Found) -> str:
    """All files of the release, and none of the one before, in one commit upon the head that was looked at."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    paths = [*(file.path for file in release.files), MANIFEST]
    add = [CommitOperationAdd(path_in_repo=path, path_or_fileobj=release.folder / path) for path in paths]
    gone = sorted(found.files - set(paths) - NOT_OURS)
    made = hub.api.create_commit(
        target.repo,
        [*add, *(CommitOperationDelete(path_in_repo=path) for path in gone)],
        commit_message=f"Release {tag}",
        commit_description=f"Root {release.root}",
        repo_type=target.kind,
        parent_commit=found.head,
    )
    return str(made.oid)


def _url(hub: Hub, target: Target) -> str:
    return f"{hub.api.endpoint}/{'datasets/' if target.kind == 'dataset' else ''}{target.repo}"


def fetch(repo: str, revision: str, place: Path) -> None:
    """Every file of a repository at a revision, data set or model, into a folder. A public one needs no token."""
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import RepositoryNotFoundError

    _quiet()
    api = HfApi()
    try:
        kind = "dataset" if api.repo_exists(repo, repo_type="dataset") else "model"
        api.snapshot_download(repo, repo_type=kind, revision=revision or None, local_dir=place)
    except RepositoryNotFoundError:
        raise UserError(f"{repo}: no such folder, and no such data set or model on the Hub: check the name") from None
    except failures() as error:
        raise UserError(explained(error, repo, get_token() or "", api.endpoint)) from None


def card_metadata(model: str) -> Mapping[str, object] | None:
    """The YAML at the head of a hub model's card; None where it cannot be had."""
    from huggingface_hub import ModelCard

    try:
        return dict(ModelCard.load(model).data.to_dict())
    except failures():
        return None
