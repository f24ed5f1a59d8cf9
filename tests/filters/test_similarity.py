"""The encoder's cosine: against sentence-transformers itself, and without knowing neighbours."""

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from conftest import TEXTS
from pydantic import ValidationError
from transformers import AutoConfig, AutoModel, AutoTokenizer

from filters import nli_bert, similarity
from filters.base import FilterError
from filters.batches import FixedShapes
from filters.models import EMBEDDED_ENCODER, load_encoder
from filters.nli_packed import PackedRows
from filters.similarity import Encoder, Similarity, cosines, open_encoder

LONG = " ".join(TEXTS * 3)


def rows(*pairs: tuple[str | None, str | None]) -> pa.Table:
    columns = zip(*pairs, strict=True) if pairs else ((), ())
    return pa.table(dict(zip(("source", "target"), (pa.array(c, pa.string()) for c in columns), strict=True)))


def encoder(model: str, token_budget: int = 256) -> Encoder:
    return Encoder(model, "", token_budget, 1, "cpu")  # one thread: tests share the machine


def test_vectors_are_those_of_sentence_transformers(tiny_encoder: Path) -> None:
    for model in (str(tiny_encoder), EMBEDDED_ENCODER):
        texts = [*TEXTS, LONG]
        wanted = load_encoder(model).encode(texts, normalize_embeddings=True, show_progress_bar=False)
        vectors = encoder(model)(texts)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(vectors, wanted, atol=2e-6)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("token_budget", [1, 64, 256, 1000])
def test_a_vector_does_not_know_its_neighbours(tiny_encoder: Path, token_budget: int) -> None:
    texts = [" ".join(text.split()[:n]) for text in TEXTS for n in (1, 3, 5, 8)] + [LONG]
    texts = list(dict.fromkeys(texts))
    for model in [str(tiny_encoder), EMBEDDED_ENCODER][: 2 if token_budget == 256 else 1]:
        together = dict(zip(texts, encoder(model, token_budget)(texts), strict=True))
        shuffled = random.Random(1).sample(texts, len(texts))
        fresh, alone = encoder(model, token_budget), encoder(model, token_budget)
        assert all(
            np.array_equal(vector, together[text]) for text, vector in zip(shuffled, fresh(shuffled), strict=True)
        )
        assert all(np.array_equal(alone([text])[0], together[text]) for text in shuffled[:5])


def test_a_cosine_does_not_know_the_other_rows(tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = encoder(str(tiny_encoder))
    pairs = [(a, b) for a in TEXTS for b in TEXTS]
    together = cosines(rows(*pairs), model).to_pylist()
    assert [cosines(rows(pair), model).to_pylist()[0] for pair in pairs] == together
    monkeypatch.setattr(similarity, "ROWS_AT_ONCE", 4)
    assert cosines(rows(*pairs), model).to_pylist() == together


def test_each_sentence_is_encoded_once_and_remembered(tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = encoder(str(tiny_encoder))
    first = model(TEXTS + TEXTS)
    assert model.encoded == len(TEXTS)
    assert np.array_equal(model(TEXTS[::-1]), first[: len(TEXTS)][::-1])
    assert model.encoded == len(TEXTS)
    monkeypatch.setattr(similarity, "SENTENCES_KEPT", 2)
    assert np.array_equal(model(TEXTS[:5]), first[:5])
    model(TEXTS[3:5])
    assert model.encoded == len(TEXTS)
    model(TEXTS[:1])
    assert model.encoded == len(TEXTS) + 1


def test_null_and_blank_rows_have_no_score_and_do_not_pass(tiny_encoder: Path) -> None:
    spec = Similarity(threads=1, model=str(tiny_encoder), min_cosine=-1)
    table = rows((None, "x"), ("x", None), ("", "x"), ("x", " \t"), (TEXTS[0], TEXTS[1]), (None, None))
    scores = spec.open("cpu")(table)
    assert scores.is_null().to_pylist() == [True, True, True, True, False, True]
    assert spec.keep(scores).to_pylist() == [False, False, False, False, True, False]


def test_no_rows_and_no_text(tiny_encoder: Path) -> None:
    scorer = Similarity(threads=1, model=str(tiny_encoder)).open("cpu")
    assert len(scorer(rows())) == 0
    assert scorer(rows((None, " "))).to_pylist() == [None]


def test_bounds_pass_themselves() -> None:
    scores = pa.array([0.59, 0.6, 0.95, 0.951, 1.0, None], pa.float32())
    assert Similarity(max_cosine=0.95).keep(scores).to_pylist() == [False, True, True, False, False, False]
    assert Similarity().keep(scores).to_pylist() == [False, True, True, True, True, False]


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(ValidationError, match="nothing would pass"):
        Similarity(min_cosine=0.7, max_cosine=0.5)
    with pytest.raises(ValidationError):
        Similarity(min_cosine=1.5)
    with pytest.raises(FilterError, match="no folder"):
        Similarity(model="/no/such/encoder").open("cpu")


def test_the_embedded_encoder_knows_the_obvious() -> None:
    table = rows((TEXTS[0], TEXTS[1]), (TEXTS[0], TEXTS[3]), (TEXTS[0], TEXTS[0]))
    embedded = encoder(EMBEDDED_ENCODER)
    assert len(embedded(TEXTS[:1])) == 1 and isinstance(embedded._answer, PackedRows)
    near, far, same = Similarity(threads=1).open("cpu")(table).to_pylist()
    assert near > 0.8 > 0.3 > far
    assert same == pytest.approx(1) and same <= 1
    assert open_encoder(EMBEDDED_ENCODER, "", 256, 1, "cpu") is open_encoder(EMBEDDED_ENCODER, "", 256, 1, "cpu")


def test_mean_pooling_goes_without_padding_and_all_else_its_own_way(tiny_encoder: Path, tmp_path: Path) -> None:
    """An encoder that takes the first token, or has a layer more, is not the mean of a transformer's states."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Dense, Normalize, Pooling, Transformer

    plain = Transformer(str(tiny_encoder))
    width = plain.get_embedding_dimension()
    first = [plain, Pooling(width, pooling_mode="cls")]
    more = [plain, Pooling(width), Dense(width, 8), Normalize()]
    for name, modules, kind in (("first", first, FixedShapes), ("more", more, FixedShapes), ("", None, PackedRows)):
        folder = tmp_path / name if name else tiny_encoder
        if modules:
            SentenceTransformer(modules=modules, device="cpu").save(str(folder))
        wanted = load_encoder(str(folder)).encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
        model = encoder(str(folder))
        np.testing.assert_allclose(model(TEXTS), wanted, atol=2e-6)
        assert isinstance(model._answer, kind), name


def test_positions_that_begin_after_the_paddings(tiny_encoder: Path, tmp_path: Path) -> None:
    """RoBERTa's."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    sizes |= {"vocab_size": len(tokenizer), "max_position_embeddings": 40, "pad_token_id": tokenizer.pad_token_id}
    config = AutoConfig.for_model("roberta", **sizes)
    torch.manual_seed(5)
    AutoModel.from_config(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    wanted = load_encoder(str(tmp_path)).encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    model = encoder(str(tmp_path))
    np.testing.assert_allclose(model(TEXTS), wanted, atol=2e-6)
    assert isinstance(model._answer, PackedRows)


def test_a_pass_that_is_not_the_encoders_is_not_used(
    tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    own = nli_bert._means
    monkeypatch.setattr(nli_bert, "_means", lambda states, groups: own(states.flip(1), groups))
    model = encoder(str(tiny_encoder))
    wanted = load_encoder(str(tiny_encoder)).encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    np.testing.assert_allclose(model(TEXTS), wanted, atol=2e-6)
    assert isinstance(model._answer, FixedShapes) and "our forward pass is not the model's own" in caplog.text
