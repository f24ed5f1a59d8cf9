"""The embedded student's own SentencePiece vocabulary, as a T5 tokenizer.

Unigram pieces with byte fallback, so that any character can be read and written back; figures are split into digits, so
that a number is copied digit by digit. T5's sentinels `<extra_id_N>` fill the last places, as in T5 (1910.10683, 2.4).
"""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from student.errors import StudentError

PAD, END, UNKNOWN = 0, 1, 2
LETTERS = "".join(map(chr, [*range(0x21, 0x7F), *range(0xC0, 0x180)])) + "–—‘’“”…£€°•"
"""Characters that get a piece of their own, however rare; any other is written in bytes."""
SENTINELS = 64


def train_vocabulary(texts: Iterable[str], size: int, folder: Path) -> Any:
    """Learn `size` entries, sentinels included, and save them as a tokenizer that `transformers` loads."""
    import sentencepiece

    learned = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=learned,
            vocab_size=size - SENTINELS,
            model_type="unigram",
            byte_fallback=True,
            split_digits=True,
            normalization_rule_name="identity",
            character_coverage=0.9995,
            required_chars=LETTERS,
            pad_id=PAD,
            eos_id=END,
            unk_id=UNKNOWN,
            bos_id=-1,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise StudentError(f"vocabulary of {size}: {_reason(error)}; take another size, or more text") from None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spiece.model").write_bytes(learned.getvalue())
    tokenizer = _as_t5(folder / "spiece.model")
    tokenizer.save_pretrained(folder)
    return tokenizer


def _reason(error: Exception) -> str:
    """What SentencePiece complains of, without its file names and its own advice."""
    said = str(error).strip().splitlines()[0].rpartition("] ")[2]
    return said.partition(". ")[0] or "SentencePiece cannot learn it"


def _as_t5(pieces: Path) -> Any:
    """The fast tokenizer of a SentencePiece model: same pieces, same scores, byte fallback kept."""
    import sentencepiece
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    model = sentencepiece.SentencePieceProcessor(model_file=str(pieces))
    vocabulary = [(model.id_to_piece(n), model.get_score(n)) for n in range(model.vocab_size())]
    sentinels = [f"<extra_id_{n}>" for n in reversed(range(SENTINELS))]
    fast = Tokenizer(models.Unigram(vocabulary, unk_id=UNKNOWN, byte_fallback=True))
    fast.normalizer = normalizers.Sequence([normalizers.Replace("\t", " "), normalizers.Replace("\n", " ")])
    fast.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    fast.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="always")])
    fast.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", END)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=fast,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=sentinels,
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )
