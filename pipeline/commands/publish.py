"""`publish`, `publish-model` and `verify` of the command line."""

import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import INTERRUPTED, UserError
from pipeline.hub.blocklist import read_blocklist
from pipeline.hub.licences import check_licence
from pipeline.hub.model_release import model_release
from pipeline.hub.publish import Pushed, Target, card_metadata, check_repo, connect, fetch, push
from pipeline.hub.release import DataOptions, Release, data_release
from pipeline.hub.release_manifest import verified
from pipeline.hub.release_source import latest_round
from pipeline.store import Run

_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

RunName = Annotated[str, typer.Option("--run", help="Name of the run, a folder of data/runs.")]
Repo = Annotated[str, typer.Option("--repo", help="Where to: org/name on the Hub.")]
Private = Annotated[bool, typer.Option("--private", help="Make the repository a private one.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only make the files; show them and the card.")]
LicenceId = Annotated[
    str, typer.Option("--licence", "--license", help="As the Hub names it; default: derived from the parts.")
]
Tag = Annotated[str, typer.Option("--tag", help="Name of the release; default: from its content.")]


def publish(
    run: RunName = "news",
    repo: Repo = "",
    round_: Annotated[int | None, typer.Option("--round", min=0, help="Default: the last one with a corpus.")] = None,
    private: Private = False,
    dry_run: DryRun = False,
    licence: LicenceId = "",
    tag: Tag = "",
    blocklist: Annotated[Path | None, typer.Option(help="Words that no published pair may hold, one a line.")] = None,
    upload_contexts: Annotated[bool, typer.Option("--upload-contexts", help="Your own contexts too.")] = False,
) -> None:
    """The corpus of a run as a data set on the Hub: parquet, card, manifest; one commit and a tag."""
    found = _checked(run, repo, licence, tag)
    options = DataOptions(licence, read_blocklist(blocklist) if blocklist else None, upload_contexts)
    number = latest_round(found) if round_ is None else round_
    hub = None if dry_run else connect()
    with found.locked():
        release = data_release(found, number, repo, options, card_metadata)
        _show(release)
        if hub is None:
            _show_card(release, tag or release.default_tag(f"round-{number}"))
            return
        target = Target(repo, "dataset", private)
        with _interruptible():
            _say(push(hub, target, release, tag or release.default_tag(f"round-{number}")))


def publish_model(
    run: RunName = "news",
    repo: Repo = "",
    round_: Annotated[int, typer.Option("--round", min=1, help="The student's number.")] = 1,
    private: Private = False,
    dry_run: DryRun = False,
    licence: LicenceId = "",
    tag: Tag = "",
) -> None:
    """A student of a run as a model on the Hub, with its card; one commit and a tag."""
    found = _checked(run, repo, licence, tag)
    hub = None if dry_run else connect()
    with found.locked():
        release = model_release(found, round_, repo, licence, card_metadata)
        name = tag or release.default_tag(f"student-{round_}")
        _show(release)
        if hub is None:
            _show_card(release, name)
            return
        with _interruptible():
            _say(push(hub, Target(repo, "model", private), release, name))


def verify(
    where: Annotated[str, typer.Argument(metavar="REPO_OR_DIR", help="org/name on the Hub, or a folder.")],
    revision: Annotated[str, typer.Option(help="Tag, branch or commit of the repository; default: main.")] = "",
) -> None:
    """Whether every file of a release is as it was published: its manifest is computed again."""
    if Path(where).is_dir():
        print(_verdict(verified(Path(where), where)))
        return
    check_repo(where)
    with tempfile.TemporaryDirectory() as folder:
        fetch(where, revision, Path(folder))
        print(_verdict(verified(Path(folder), f"{where}@{revision or 'main'}")))


def _checked(run: str, repo: str, licence: str, tag: str) -> Run:
    """The run; all that can be wrong with the words of the command is said before anything is made."""
    check_repo(repo)
    if tag and (not _TAG.fullmatch(tag) or tag == "main"):
        raise UserError(f"tag {tag!r}: wanted up to 100 letters, digits, '.', '_' or '-', and not main")
    if licence:
        check_licence(licence)
    return Run.existing(run)


def _show(release: Release) -> None:
    for file in release.files:
        print(f"{file.bytes:>12,}  {file.path}")
    print(f"{len(release.files)} files in {release.folder}, root {release.root}")


def _show_card(release: Release, tag: str) -> None:
    print(f"dry run: nothing was sent; the tag would be {tag}; README.md:\n")
    print((release.folder / "README.md").read_text(encoding="utf-8"))


def _say(pushed: Pushed) -> None:
    print(f"{'published' if pushed.new else 'there already'}: {pushed.url}, tag {pushed.tag}, commit {pushed.commit}")


def _verdict(manifest: Mapping[str, object]) -> str:
    files = manifest["files"]
    return f"as published: {len(files) if isinstance(files, list) else 0} files, root {manifest['root']}"


@contextmanager
def _interruptible() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write("stopped: main is as it was, or holds the whole release; start again to go on\n")
        raise SystemExit(INTERRUPTED) from None
