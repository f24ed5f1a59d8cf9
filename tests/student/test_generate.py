"""Two engines, one student: the same words, in the order of the inputs, drawn from a seed."""

from itertools import pairwise
from pathlib import Path

import pytest
from toy_student import INSTRUCTIONS, sentences

from student.choice import Rewrite, best_first
from student.controls import Controls, length_bucket
from student.errors import StudentError
from student.generate import CHOICES, Engine, Rewriter, Write, Writer, batch_seed, batched
from student.settings import Decoding
from student.slips import slips

pytestmark = pytest.mark.usefixtures("own_home")
ENGINES: tuple[Engine, ...] = ("ctranslate2", "transformers")
PROMPTS = [f"{INSTRUCTIONS['summary']}{text}" for text in sentences(20, 1)]
DRAW = Decoding(samples=3, temperature=1.0)


@pytest.fixture(scope="module")
def writers(tiny_student: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Write]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMPOSSIBLE_HOME", str(tmp_path_factory.getbasetemp() / "home"))
        return {name: Writer(str(tiny_student), engine=name, threads=1).open() for name in ENGINES}


def test_the_engines_write_the_same_greedily(writers: dict[str, Write]) -> None:
    ours, reference = (writers[name](PROMPTS, Decoding(beams=1), 0) for name in ENGINES)
    assert [row[0].text for row in ours] == [row[0].text for row in reference]
    for mine, theirs in zip(ours, reference, strict=True):
        assert (mine[0].tokens, mine[0].ended) == (theirs[0].tokens, theirs[0].ended)
        assert mine[0].logprob == pytest.approx(theirs[0].logprob, rel=1e-3, abs=1e-4)


def test_the_engines_agree_on_beams(writers: dict[str, Write]) -> None:
    """They stop their search at different points, so a few near ties differ."""
    ours, reference = (writers[name](PROMPTS, Decoding(beams=4), 0) for name in ENGINES)
    same = [(a[0], b[0]) for a, b in zip(ours, reference, strict=True) if a[0].text == b[0].text]
    assert len(same) >= 0.7 * len(PROMPTS)
    assert [a.logprob for a, _ in same] == pytest.approx([b.logprob for _, b in same], rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_several_of_a_beam_come_best_first(writers: dict[str, Write], engine: str) -> None:
    several = Decoding(beams=2, samples=4, no_repeat_ngram=0)  # ruled-out repeats count in the search, not in its sum
    for row in writers[engine](PROMPTS[:6], several, 0):
        means = [each.logprob / each.tokens for each in row]
        assert len(row) == 4 == len({each.text for each in row})
        assert all(first > then - 0.02 for first, then in pairwise(means))  # whether the end counts as a token differs


@pytest.mark.parametrize("engine", ENGINES)
def test_a_rewrite_that_is_cut_has_not_ended(writers: dict[str, Write], engine: str) -> None:
    for row in writers[engine](PROMPTS[:4], Decoding(beams=1, max_tokens=3), 0):
        assert (row[0].tokens, row[0].ended) == (3, False)


@pytest.mark.parametrize("engine", ENGINES)
def test_samples_follow_from_the_seed(writers: dict[str, Write], engine: str) -> None:
    write = writers[engine]
    first, again, other = (write(PROMPTS, DRAW, seed) for seed in (1, 1, 2))
    assert first == again != other  # in one process: what was drawn before does not matter
    assert any(len({each.text for each in row}) > 1 for row in first)
    assert all(len(row) == 3 and all(each.logprob <= 0 for each in row) for row in first)


def test_a_fresh_writer_and_more_threads_draw_the_same(writers: dict[str, Write], tiny_student: Path) -> None:
    wanted = writers["ctranslate2"](PROMPTS[:4], DRAW, 5)
    assert Writer(str(tiny_student), threads=2).open()(PROMPTS[:4], DRAW, 5) == wanted


@pytest.mark.parametrize("engine", ENGINES)
def test_outputs_come_in_the_order_of_the_inputs(writers: dict[str, Write], engine: str) -> None:
    """Lengths up and down, in many small batches."""
    texts = [text for pair in zip(PROMPTS[:8], ["a b c", "x"] * 4, strict=True) for text in pair]
    small = Decoding(beams=1, batch_tokens=70)
    found = writers[engine](texts, small, 0)
    assert [row[0].text for row in found] == [writers[engine]([text], small, 0)[0][0].text for text in texts]


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_and_next_to_nothing(writers: dict[str, Write], engine: str) -> None:
    assert writers[engine]([], Decoding(), 0) == []
    assert len(writers[engine](["", "日本"], Decoding(beams=1), 0)) == 2


def test_too_long_sources_are_cut_with_a_warning(writers: dict[str, Write], caplog: pytest.LogCaptureFixture) -> None:
    short = Decoding(beams=1, most_source_tokens=8, max_tokens=8)
    writers["ctranslate2"]([*PROMPTS[:2], "x"], short, 0)
    assert caplog.messages == ["2 of 3 sources are longer than 8 tokens and lose their end"]


def test_batches_are_long_first_and_hold_all() -> None:
    found = list(batched([3, 9, 1, 4, 4], 8))
    assert found == [[1], [3, 4], [2, 0]] and list(batched([], 8)) == []


def test_a_batchs_seed_is_of_its_texts() -> None:
    assert batch_seed(1, ["a", "b"]) == batch_seed(1, ["a", "b"]) < 2**31
    assert (
        len({batch_seed(1, ["a", "b"]), batch_seed(2, ["a", "b"]), batch_seed(1, ["ab"]), batch_seed(1, ["b", "a"])})
        == 4
    )


def rewriter(folder: Path, **decoding: float) -> Rewriter:
    return Rewriter(folder, threads=1, decoding=Decoding(**decoding))  # type: ignore[arg-type]


@pytest.mark.parametrize(("samples", "beams"), [(1, 6), (3, 1)])
def test_a_length_is_seen_to(tiny_student: Path, samples: int, beams: int) -> None:
    """The likeliest that lies in the bucket; where none does, the nearest."""
    sources = sentences(8, 2)
    student = rewriter(tiny_student, samples=samples, beams=beams, respell=False)
    wanted = Controls(length="medium")
    kept = student.rewrite("summary", sources, wanted)
    student.decoding = Decoding(samples=CHOICES, beams=beams, respell=False)
    prompts = [f"medium {INSTRUCTIONS['summary']}{source}" for source in sources]
    every = student._write(prompts, student.decoding, 0) if student._write else []
    for source, row, all_of in zip(sources, kept, every, strict=True):
        fits = [each for each in all_of if length_bucket(source, each.text) == "medium"]
        fits.sort(key=lambda each: slips(source, each.text, student._common))
        assert len(row) == samples
        assert row[: len(fits)] == fits[:samples]


def test_the_nearest_where_none_fits() -> None:
    rows = [Rewrite("t" * length, -1.0, 1, True) for length in (90, 20, 56, 66, 60)]
    for length, order in (("medium", [56, 60, 66, 90, 20]), ("short", [56, 60, 66, 20, 90])):
        assert [len(row.text) for row in best_first("s" * 100, rows, Controls(length=length))] == order


def test_newness_is_seen_to_and_both_at_once() -> None:
    source = "one two three four five six seven eight nine ten"
    copied, mixed, new = "one two three four five six", "one two three four five 6 7", "1 2 3 4 5 six seven"
    rows = [Rewrite(text, -1.0, 1, True) for text in (copied, mixed, new)]

    def order(wanted: Controls) -> list[str]:
        return [row.text for row in best_first(source, rows, wanted)]

    assert order(Controls(novelty="copied"))[0] == copied and order(Controls(novelty="copied"))[-1] == new
    assert order(Controls(novelty="mixed"))[0] == mixed
    assert order(Controls(novelty="rewritten")) == [new, mixed, copied]
    longer = Rewrite(source, -0.5, 1, True)
    assert best_first(source, [longer, *rows], Controls("medium", "copied"))[0].text == copied
    assert best_first(source, [longer, *rows], Controls(novelty="copied"))[0].text == source


def test_nothing_and_one_word_are_no_copies() -> None:
    rows = [Rewrite(text, -1.0, 1, True) for text in ("", "Closed.", "one two three 4")]
    kept = best_first("one two three four", rows, Controls(novelty="copied"))
    assert [row.text for row in kept] == ["one two three 4", "", "Closed."]


def test_of_samples_that_fit_the_likeliest() -> None:
    rows = [Rewrite("t" * 60, logprob, 10, True) for logprob in (-30.0, -3.0, -9.0)]
    assert [row.logprob for row in best_first("s" * 100, rows, Controls(length="medium"))] == [-3.0, -9.0, -30.0]


def test_what_a_student_did_not_learn(tiny_student: Path, tmp_path: Path) -> None:
    with pytest.raises(StudentError, match="task 'headline' is not one it learned; it knows paraphrase, summary"):
        rewriter(tiny_student).rewrite("headline", ["A."])
    with pytest.raises(StudentError, match=r"no student\.json in it"):
        rewriter(tmp_path)
    plain = rewriter(tiny_student)
    plain.known = plain.known | {"controls": False}
    with pytest.raises(StudentError, match="learned no control words"):
        plain.rewrite("summary", ["A."], Controls("short"))


def test_the_fingerprint_is_of_weights_and_engine(tiny_student: Path, tiny_t5: Path) -> None:
    one = Writer(str(tiny_student))
    assert one.chosen == "ctranslate2" and Writer("x", device="cuda").chosen == "transformers"
    others = [Writer(str(tiny_t5)), Writer(str(tiny_student), engine="transformers")]
    assert len({each.fingerprint() for each in [one, *others]}) == 3
    assert one.fingerprint() == Writer(str(tiny_student), threads=7).fingerprint()
