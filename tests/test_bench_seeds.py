"""`python -m bench.seeds`: what it says of one run is what `evaluate` says; several runs are taken in the mean."""

import json
from pathlib import Path

import pytest

from bench import seeds
from student.benchmark import Benchmark
from student.evaluate import Evaluation, Options, evaluate

SOURCES = ("How do I learn French?", "Why is the sky blue at noon?", "What is the best phone?", "Can a cat swim far?")
REFERENCES = (("How can I learn French?",), ("Why is the sky blue?",), ("Which phone is best?",), ("Can cats swim?",))
TEACHER = ["How to learn it?", "Why is the sky?", "What is the best phone of all?", "Do cats swim in the sea?"]
STUDENT = ["How can I learn French?", "Why is the sky so blue?", "Which is the best phone?", "Can any cat swim far?"]


def evaluation(folder: Path, student: list[str]) -> tuple[Evaluation, Path]:
    systems = {"teacher, zero-shot": TEACHER, "student 1": student}
    rows = [
        {"source": source, "references": list(wanted), "outputs": {name: texts[i] for name, texts in systems.items()}}
        for i, (source, wanted) in enumerate(zip(SOURCES, REFERENCES, strict=True))
    ]
    folder.mkdir()
    file = folder / "outputs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = evaluate(Benchmark("small", SOURCES, REFERENCES), "paraphrase", systems, Options(None, None, "", 2000, 0))
    return found, file


def numbers(text: str) -> dict[str, tuple[float, float, float]]:
    """Mean, low and high by metric."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]
    return {metric: (float(mean), float(low), float(high)) for _, metric, mean, low, high in cells}


def test_one_run_is_what_evaluate_says_of_it(tmp_path: Path) -> None:
    found, file = evaluation(tmp_path / "a", STUDENT)
    said = numbers(seeds._of_the_mean([file], "paraphrase"))
    paired = {each.metric: each.estimate for each in found.paired}
    assert set(said) == {"rougeL", "bleu", "ibleu"}
    for metric, given in said.items():
        wanted = paired[metric]
        assert given == pytest.approx((wanted.value, wanted.low, wanted.high), abs=0.006)


def test_several_runs_are_taken_in_the_mean(tmp_path: Path) -> None:
    files = [evaluation(tmp_path / name, texts)[1] for name, texts in (("a", STUDENT), ("b", TEACHER))]
    one, both = (numbers(seeds._of_the_mean(chosen, "summary")) for chosen in (files[:1], files))
    assert both["rougeL"] == pytest.approx([value / 2 for value in one["rougeL"]], abs=0.011)  # the other run adds 0
