"""An evaluation from end to end, with a tiny random encoder."""

import json
import math
from pathlib import Path

import pytest
import torch
from bert_score.utils import bert_cos_score_idf
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, BertTokenizerFast

from student.baselines import baselines
from student.benchmark import Benchmark, Refused
from student.bertscore import Encoder
from student.errors import StudentError
from student.evaluate import OF_A_SET, Evaluation, Options, evaluate, results
from student.evaluation_page import TABLES, page

SOURCES = (
    "The council approved the new budget after a long debate on Monday, officials said.",
    "A fire destroyed a warehouse near the port; nobody was hurt, the police said.",
    "Der Zug war über eine Stunde zu spät – 遅い。",
    "Farmers in the north of the country say that rain came too late for the wheat.",
)
REFERENCES = (
    ("Council approves budget.", "The budget was approved."),
    ("Fire destroys warehouse near port.",),
    ("Zug zu spät.",),
    ("Rain came too late for wheat, farmers say.",),
)
DATA = Benchmark("small", SOURCES, REFERENCES, (Refused(3, "source is blank"),))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """A random BERT of 16 numbers a token. The folder's name has "t5" in it, which bert-score takes for a T5."""
    folder = tmp_path_factory.mktemp("not_a_t5")
    letters = [chr(code) for code in range(97, 123)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters), "."]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(vocabulary), max_position_embeddings=64, **size)).save_pretrained(folder)
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    return Encoder("tiny", str(folder))


@pytest.fixture(scope="module")
def found(encoder: Encoder) -> Evaluation:
    systems = baselines(SOURCES) | {
        "twin": list(SOURCES),
        "mute": ["", " ", "", ""],
        "good": [wanted[-1] for wanted in REFERENCES],
    }
    options = Options(
        encoder, lambda sources, outputs: [1.0 if text.strip() else None for text in outputs], "a judge", 300
    )
    return evaluate(DATA, "summary", systems, options, {"run": "none"})


def test_the_contract_of_results(found: Evaluation) -> None:
    data = json.loads(json.dumps(results(found), allow_nan=False))
    assert (data["data"], data["task"], data["rows"], data["encoder"]) == ("small", "summary", 4, "tiny")
    assert data["refused"] == [{"line": 3, "reason": "source is blank"}] and data["made"]["run"] == "none"
    wanted = {metric for metrics in TABLES.values() for metric in metrics}
    for named in data["systems"].values():
        assert wanted <= named.keys()
        for metric, numbers in named.items():
            assert numbers.keys() == {"value", "low", "high"}
            if metric not in OF_A_SET and numbers["value"] is not None:
                assert numbers["low"] <= numbers["value"] + 1e-6 and numbers["value"] <= numbers["high"] + 1e-6
    assert {tuple(each) for each in data["paired"]} == {("a", "b", "metric", "difference", "low", "high")}


def test_identical_systems_differ_by_exactly_nothing(found: Evaluation) -> None:
    twins = [each.estimate for each in found.paired if (each.a, each.b) == ("twin", "copy")]
    assert len(twins) == 8
    assert all((each.value, each.low, each.high) == (0, 0, 0) for each in twins)
    assert found.systems["twin"] == pytest.approx(found.systems["copy"], nan_ok=True)


def test_differences_are_signed_and_paired(found: Evaluation) -> None:
    (gap,) = [each.estimate for each in found.paired if (each.a, each.b, each.metric) == ("good", "copy", "rougeL")]
    assert gap.value == pytest.approx(found.systems["good"]["rougeL"].value - found.systems["copy"]["rougeL"].value)
    assert 0 < gap.low < gap.value < gap.high


def test_a_mute_system_has_nothing(found: Evaluation) -> None:
    mute = found.systems["mute"]
    for metric in ("rouge1", "rougeL_recall75", "bertscore", "bleu", "bert_ibleu", "faithfulness", "words"):
        assert mute[metric].value == 0
    assert mute["empty"].value == 1 and math.isnan(mute["novel_1"].value) and math.isnan(mute["mtld"].value)


def test_references_themselves_are_perfect(found: Evaluation) -> None:
    good = found.systems["good"]
    assert good["bertscore"].value == pytest.approx(100, abs=1e-3) and good["rouge1"].value == pytest.approx(100)


def test_bertscore_is_the_librarys(encoder: Encoder) -> None:
    pairs = [
        ("the council", "a council of nine"),
        ("b", "the end"),
        ("the council", "the council"),
        ("", "x"),
        ("x", " "),
    ]
    ours = encoder.open()([*pairs, pairs[0]])
    model, tokenizer = AutoModel.from_pretrained(encoder.location), AutoTokenizer.from_pretrained(encoder.location)
    tokenizer.model_max_length = 64
    weights = dict.fromkeys(range(len(tokenizer)), 1.0) | {tokenizer.cls_token_id: 0.0, tokenizer.sep_token_id: 0.0}
    for (output, wanted), score in list(zip(pairs, ours, strict=False))[:3]:
        theirs = bert_cos_score_idf(model.eval(), [wanted], [output], tokenizer, weights, device="cpu")[0, 2]
        assert score == pytest.approx(100 * float(theirs), abs=1e-3)
    assert ours[3:5].tolist() == [0, 0] and ours[5] == ours[0] and ours[2] == pytest.approx(100, abs=1e-3)


def test_the_page_says_how_and_marks_the_best(found: Evaluation) -> None:
    text = page(found)
    lines = {line.split(" | ")[0].strip("| "): line for line in text.split("## ")[1].splitlines()}
    assert "**100.0 [100.0, 100.0]**" in lines["good"] and "**" not in lines["mute"]
    assert "1 rows were refused (line 3: source is blank)" in text
    assert "encoder: tiny" in text and "by a judge, which did not choose this task's pairs" in text
    assert "| twin - copy | +0.0 [+0.0, +0.0] |" in text


def test_without_encoder_and_judge_the_page_says_so() -> None:
    found = evaluate(DATA, "paraphrase", {"copy": list(SOURCES)}, Options(resamples=10))
    text = page(found)
    assert "No encoder: BERTScore is absent." in text and "no judge was asked" in text
    assert "BERT-iBLEU |" not in text and results(found)["judge"] is None


def test_one_row() -> None:
    one = Benchmark("one", SOURCES[:1], REFERENCES[:1])
    estimate = evaluate(one, "summary", {"copy": list(SOURCES[:1])}, Options(resamples=10)).systems["copy"]["rouge1"]
    assert estimate.low == estimate.value == estimate.high


def test_judge_and_metrics_see_their_own_forms_of_a_text() -> None:
    seen: list[str] = []

    def judge(sources: "list[str]", outputs: "list[str]") -> list[float]:
        seen.extend([*sources, *outputs])
        return [1.0] * len(outputs)

    data = Benchmark("g", ("japan 's nec said it could n't , friday .",), (("nec silent",),))
    found = evaluate(data, "summary", {"s": ["Japan's NEC couldn't."]}, Options(judge=judge, resamples=10))
    assert seen == ["Japan's nec said it couldn't, friday.", "Japan's nec couldn't."]
    assert found.systems["s"]["novel_1"].value == 0


def test_the_same_seed_gives_the_same_results() -> None:
    systems = {"a": list(SOURCES), "b": [text[:30] for text in SOURCES]}
    one, two = (results(evaluate(DATA, "summary", systems, Options(resamples=50, seed=3))) for _ in range(2))
    assert one == two


def test_too_few_outputs_are_told() -> None:
    with pytest.raises(StudentError, match="system short has 1 outputs for 4 sources"):
        evaluate(DATA, "summary", {"short": ["x"]}, Options())
    with pytest.raises(StudentError, match="no system"):
        evaluate(DATA, "summary", {}, Options())


def test_an_encoder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(StudentError, match="encoder lost: it cannot be loaded"):
        Encoder("lost", str(tmp_path)).open()
