"""README.md says what is there: its tree is the program's own, its commands exist."""

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_tree_is_up_to_date():
    spec = importlib.util.spec_from_file_location("tree", ROOT / ".ci" / "tree.py")
    tree = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tree)
    assert tree.block() in README, "run: .venv/bin/python .ci/tree.py --write"


def test_every_make_target_named_in_the_readme_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", README, re.MULTILINE))
    assert named
    assert named <= targets


def test_every_recipe_is_listed():
    shipped = {path.stem for path in (ROOT / "pipeline" / "recipes").glob("*.toml")}
    listed = set(re.findall(r"^\| `([a-z-]+)`", README, re.MULTILINE))
    assert listed == shipped


def test_every_link_to_a_file_leads_somewhere():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
