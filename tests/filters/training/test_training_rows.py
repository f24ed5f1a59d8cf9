import gzip
import json
from pathlib import Path

import pytest

from filters.base import FilterError
from filters.training.hard_pairs import RULES
from filters.training.rows import BOTH_WAYS, Row, counts, draw, is_held_out, read_rows


def row(number: int, origin: str = "a") -> Row:
    return Row(f"premise {number}", "hypothesis", (1.0, 0.0, 0.0), False, origin)


def write(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(given) + "\n" for given in rows), encoding="utf-8")
    return path


def test_labels_and_probabilities_are_read(tmp_path: Path) -> None:
    common = {"premise": "é 1", "hypothesis": "h"}
    path = write(
        tmp_path / "rows.jsonl",
        common | {"label": "neutral", "origin": "x"},
        common | {"label": "not_entailment"},
        common | {"probabilities": [0.2, 0.3, 0.5]},
    )
    first, second, third = read_rows(path)
    assert (first.target, first.merged, first.origin) == ((0.0, 1.0, 0.0), False, "x")
    assert second.merged and second.target[0] == 0.0
    assert third.target == (0.2, 0.3, 0.5) and not third.merged


def test_packed_rows_are_read(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "rows.jsonl.gz", "wt") as file:
        file.write(json.dumps({"premise": "p", "hypothesis": "h", "label": "entailment"}) + "\n\n")
    assert len(read_rows(tmp_path / "rows.jsonl.gz")) == 1


@pytest.mark.parametrize(
    "line",
    [
        "{",
        '{"premise": "p"}',
        '{"premise": "p", "hypothesis": "h", "label": "maybe"}',
        '{"premise": "p", "hypothesis": 3, "label": "neutral"}',
        '{"premise": "p", "hypothesis": "h", "label": "neutral", "origin": null}',
        '["p", "h"]',
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"premise": "p", "hypothesis": "h", "label": "neutral"}\n' + line, encoding="utf-8")
    with pytest.raises(FilterError, match=r"rows\.jsonl:2: not a labelled pair"):
        read_rows(path)


def test_a_premise_is_held_out_whole_and_about_one_in_twenty() -> None:
    held = [is_held_out(row(number)) for number in range(4000)]
    assert 120 < sum(held) < 280
    upper = row(7)._replace(premise="PREMISE 7", hypothesis="another")
    assert is_held_out(upper) == is_held_out(row(7))


def test_a_pair_by_rule_and_its_mirror_are_of_one_part() -> None:
    pairs = [row(number, "own_swap_names")._replace(hypothesis=f"hypothesis {number}") for number in range(4000)]
    mirrored = [pair._replace(premise=pair.hypothesis, hypothesis=pair.premise) for pair in pairs]
    held = [is_held_out(pair) for pair in pairs]
    assert held == [is_held_out(pair) for pair in mirrored] and 120 < sum(held) < 280


@pytest.mark.parametrize(
    "origin", ["lingnli", "paws_dev", "own_unhedged", "own_joined", "own_owner", "parsed_less", ""]
)
def test_rows_of_other_sets_are_held_out_by_their_premise_alone(origin: str) -> None:
    """Figures on the cards were measured with that split."""
    pairs = [row(number, origin)._replace(hypothesis=f"hypothesis {number}") for number in range(2000)]
    assert [is_held_out(pair) for pair in pairs] == [is_held_out(row(number)) for number in range(2000)]
    assert any(is_held_out(pair) for pair in pairs)


def test_every_rule_that_writes_both_ways_keeps_them_in_one_part() -> None:
    assert {name for name, (_, _, both_ways) in RULES.items() if both_ways} == {
        name for name in RULES if name.startswith(BOTH_WAYS)
    }
    assert "parsed_synonyms".startswith(BOTH_WAYS)


def test_passes_take_whole_and_part() -> None:
    rows = [row(n, "a") for n in range(10)] + [row(n, "b") for n in range(10)] + [row(n, "c") for n in range(10)]
    drawn = draw(rows, {"a": 2.5, "b": 0, "*": 0.3}, seed=1)
    assert counts(drawn) == {"a": 25, "c": 3}
    assert drawn == draw(list(reversed(rows))[::-1], {"a": 2.5, "b": 0, "*": 0.3}, seed=1)
    assert drawn != draw(rows, {"a": 2.5, "b": 0, "*": 0.3}, seed=2)
