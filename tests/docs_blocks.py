"""What README.md and docs/ show: their code blocks, the commands in these, and the few that no test can run."""

import re
import shlex
import subprocess
from dataclasses import dataclass
from os import environ
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?<=\n\n)(?:^    \S.*\n)+", re.MULTILINE)
INLINE = re.compile(r"`((?:make|\.venv/bin/python -m|python -m) [^`]+)`")
COMMAND = re.compile(r"(?:[A-Z_]+=\S+ )*(?:make|(?:\S*/)?(?:python|pytest|pip|hf|git|mkdir|cp))(?: |$)")

NOT_RUN = {
    r"make test$": "it would run itself",
    r"make check$": "the checks that every change must pass, run beside the tests",
    r"\.venv/bin/pytest ": "it would run itself",
    r"make bench$": "a quarter of an hour of two quiet cores",
    r"make bench-readings\b": "minutes of two quiet cores, with the embedded judges",
    r"\.venv/bin/python -m bench\.": "minutes to hours of two quiet cores, on runs and texts that are not in git",
    r"\.venv/bin/python \.ci/\w+\.py --(rescore \w+ --)?write$": "writes into the tree; tests compare what it writes",
}
"""Commands of blocks that no test runs, and why. Whether they exist is tested all the same."""
OUTPUTS = {
    "README.md": ("  contexts        the teacher's own", "filters/\n"),
    "bench.md": ("cpu: ", "{"),
}
"""Blocks that show what came out, or a picture: how they begin."""


@dataclass(frozen=True)
class Block:
    """A code block: `language` is that of its fence, and empty for one that is only set in."""

    page: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_output(self) -> bool:
        return self.text.startswith(OUTPUTS.get(self.page, ())) and not self.language

    def commands(self) -> list[str]:
        """One a line, continued lines and `&&` taken apart, without comments."""
        if self.language or self.is_output:
            return []
        lines = self.text.replace("\\\n", " ").splitlines()
        plain = [shlex.join(shlex.split(line, comments=True)) for line in lines]
        return [part.strip() for line in plain for part in line.split("'&&'") if part.strip()]


def blocks(page: Path) -> list[Block]:
    """Those of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = [(match.start(), match[1], match[2]) for match in FENCE.finditer(text)]
    rest = FENCE.sub(lambda match: "".join(c if c == "\n" else "." for c in match[0]), text)
    found += [(match.start(), "", re.sub(r"(?m)^    ", "", match[0])) for match in INDENTED.finditer(rest)]
    return [Block(page.name, text.count("\n", 0, start) + 1, *of) for start, *of in sorted(found)]


def inline(page: Path) -> list[str]:
    """Commands that stand within a sentence of a page."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    return [" ".join(match[1].split()) for match in INLINE.finditer(text)]


def reason_not_to_run(command: str) -> str:
    return next((why for pattern, why in NOT_RUN.items() if re.match(pattern, command)), "")


def expanded(command: str) -> list[list[str]]:
    """What a call of make would start, word by word, by its own dry run; of another command, itself."""
    words = shlex.split(command)
    if words[0] != "make":
        return [words]
    outside = {name: value for name, value in environ.items() if not name.startswith(("MAKE", "MFLAGS", "GNUMAKE"))}
    dry = ["make", "--dry-run", "--silent", "--no-print-directory", "--old-file", "setup", *words[1:]]
    said = subprocess.run(dry, cwd=ROOT, env=outside, capture_output=True, text=True, check=False)
    if said.returncode:
        raise AssertionError(f"{command}: {said.stderr.strip()}")
    lines = said.stdout.replace("\\\n", " ").splitlines()
    return [found for line in lines if (found := shlex.split(line)) and "-m pip install" not in line]
