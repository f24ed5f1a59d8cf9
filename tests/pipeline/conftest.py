"""Tiny real models, made on the spot: teachers that learned one template of a sentence, random judges and encoders."""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertModel,
    BioGptConfig,
    BioGptForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
)

os.environ.setdefault("TORCH_COMPILE_DISABLE", "1")  # read before the first optimizer; vLLM would compile for seconds
END = "<|endoftext|>"
WHO = ("The city council", "The new mayor", "A local court", "The car maker", "The health ministry")
DID = ("approved", "rejected", "announced", "delayed", "reviewed")
WHAT = ("the new budget", "a plan for the old bridge", "the sale of the port", "a law on clean water")
WHEN = ("", " on Monday", " on Friday", " after a long debate", " for the second time this year")

Make = Callable[..., Path]


def sentence(draw: random.Random) -> str:
    return f"{draw.choice(WHO)} {draw.choice(DID)} {draw.choice(WHAT)}{draw.choice(WHEN)}."


def paragraphs(number: int, seed: int = 0) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(sentence(draw) for _ in range(6)) for _ in range(number)]


def byte_level_tokenizer(end: str | None = END) -> PreTrainedTokenizerFast:
    """A byte-level BPE of about 400 tokens: any text has a spelling."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=[END], initial_alphabet=alphabet)
    tokenizer.train_from_iterator([*paragraphs(200), "OSLO, Norway (Daily Courier) -- BACKGROUND: RESULTS:"], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=end, bos_token=end, pad_token=end)


SHAPES = {
    "gpt2": (GPT2Config, GPT2LMHeadModel, {"n_embd": 64, "n_layer": 2, "n_head": 4}),
    "llama": (
        *(LlamaConfig, LlamaForCausalLM),
        {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128},
    ),
    "biogpt": (
        *(BioGptConfig, BioGptForCausalLM),
        {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128},
    ),
}


def build(family: str, tokenizer: PreTrainedTokenizerFast, window: int = 512) -> torch.nn.Module:
    config, model, shape = SHAPES[family]
    ends = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    torch.manual_seed(0)
    return model(config(vocab_size=len(tokenizer), max_position_embeddings=window, **shape, **ends))


def teach(model: torch.nn.Module, tokenizer: PreTrainedTokenizerFast, steps: int) -> None:
    """A little training, so that what it writes looks like sentences."""
    rows = [tokenizer.encode(text)[:64] for text in paragraphs(400, seed=1)]
    ids = torch.tensor([row for row in rows if len(row) == 64])
    optimizer, draw = torch.optim.AdamW(model.parameters(), lr=5e-3), torch.Generator().manual_seed(0)
    model.train()
    for _ in range(steps):
        batch = ids[torch.randint(len(ids), (16,), generator=draw)]
        model(input_ids=batch, labels=batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()


@pytest.fixture(autouse=True)
def _few_threads() -> Iterator[None]:
    """Tiny models are slower with more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_teacher(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """A folder with a small causal language model; one for each set of options."""
    made: dict[object, Path] = {}

    def make(family: str, steps: int = 60, end: str | None = END, window: int = 512) -> Path:
        key = (family, steps, end, window)
        if key not in made:
            made[key] = tmp_path_factory.mktemp(family)
            torch.set_num_threads(1)
            tokenizer = byte_level_tokenizer(end)
            model = build(family, tokenizer, window)
            teach(model, tokenizer, steps)
            model.save_pretrained(made[key])
            tokenizer.save_pretrained(made[key])
        return made[key]

    return make


@pytest.fixture(scope="session")
def tiny_judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random RoBERTa classifier whose labels are those of an NLI model."""
    folder = tmp_path_factory.mktemp("judge")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(paragraphs(50), trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), True, False)
    names = {"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>"}
    names |= {"pad_token": "<pad>", "unk_token": "<unk>"}
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_input_names=["input_ids", "attention_mask"], **names
    )
    labels = dict(enumerate(["contradiction", "entailment", "neutral"]))
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = RobertaConfig(vocab_size=len(fast), max_position_embeddings=130, pad_token_id=1, id2label=labels, **small)
    torch.manual_seed(3)
    RobertaForSequenceClassification(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT: sentence-transformers puts mean pooling on it."""
    folder = tmp_path_factory.mktemp("encoder")
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(paragraphs(50), trainers.WordLevelTrainer(special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    )
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    torch.manual_seed(4)
    BertModel(BertConfig(vocab_size=len(fast), max_position_embeddings=128, **small)).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder
