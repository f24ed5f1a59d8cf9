"""What a recipe may say of a student: how it is trained, how it writes. Imports nothing heavy."""

from typing import Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass


@dataclass(frozen=True, config=ConfigDict(extra="forbid", use_attribute_docstrings=True))
class Training:
    """How a student is trained. Tokens are counted on both sides of an example, padding included."""

    epochs: float = Field(default=8.0, gt=0)
    """Passes over the corpus, at most."""
    most_steps: int = Field(default=0, ge=0)
    """Steps, at most; 0: as many as the epochs ask for."""
    batch_tokens: int = Field(default=1536, ge=16)
    """Tokens of one optimiser step."""
    device_tokens: int = Field(default=16384, ge=16)
    """Tokens that are on a device at once; decides memory and dropout masks, else nothing."""
    learning_rate: float = Field(default=5e-4, gt=0)
    """Peak of the learning rate (AdamW): linear warm-up, linear decay."""
    warmup_share: float = Field(default=0.06, ge=0, lt=1)
    """Share of the steps in which the rate rises."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Of matrices; embeddings and norms have none."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout while training."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Probability mass that a target token shares with all others."""
    patience: int = Field(default=3, ge=0)
    """Stop after so many validations in a row without a better one; 0: never."""
    validations_an_epoch: float = Field(default=1.0, gt=0)
    """How often the validation split is measured."""
    controls_share: float = Field(default=0.5, ge=0, le=4)
    """For every pair, so many more examples that name their length and abstractiveness, rare ones repeated."""
    rehearsal_share: float = Field(default=0.0, ge=0, le=100)
    """For every pair, so many broken sentences to be mended, as in pretraining, so that a small T5 does not forget to
    copy while it learns from few pairs. Sentences of the teacher's, or of the pairs where there are none."""
    strange_share: float = Field(default=0.0, ge=0, le=1)
    """Share of the examples in which some of the words that source and target share are made up anew every epoch, so
    that a small T5 learns to copy from few pairs what it has never seen."""
    lowercase_share: float = Field(default=0.0, ge=0, le=1)
    """Share of the examples in lower case, for text that has no capitals."""
    both_ways: bool = False
    """Learn the pairs of tasks whose strength is "sum", paraphrases, from target to source as well."""
    task_temperature: float = Field(default=1.0, ge=1, le=100)
    """How evenly tasks are learned: of n pairs a task has a share that goes with n to the power of one over this, its
    pairs repeated in an epoch (T5's temperature-scaled mixing, 1910.10683, 3.5.2). 1: as the corpus has them."""
    most_source_tokens: int = Field(default=192, ge=8)
    """Longer inputs lose their end, and are counted."""
    most_target_tokens: int = Field(default=128, ge=8)
    """Longer targets lose their end, and are counted."""
    seed: int = Field(default=0, ge=0)
    """Other weights from the same corpus: order of pairs, dropout, control words."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic; auto: bfloat16 where the device gains from it. Weights stay in float32."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid", use_attribute_docstrings=True))
class Decoding:
    """How a student writes."""

    samples: int = Field(default=1, ge=1, le=256)
    """Rewrites of each source."""
    beams: int = Field(default=8, ge=1, le=32)
    """Beams; used while `temperature` is 0. The one with the fewest slips is taken (student/choice.py)."""
    temperature: float = Field(default=0.0, ge=0, le=5)
    """Sampling temperature; 0: the likeliest by beam search."""
    top_p: float = Field(default=0.9, gt=0, le=1)
    """Nucleus mass of samples."""
    max_tokens: int = Field(default=96, ge=1)
    """Longest rewrite."""
    most_source_tokens: int = Field(default=192, ge=8)
    """Longer sources lose their end, with a warning that counts them."""
    no_repeat_ngram: int = Field(default=3, ge=0)
    """No run of so many tokens twice in a rewrite; 0: may be."""
    batch_tokens: int = Field(default=4096, ge=16)
    """Source tokens on the device at once."""
    respell: bool = True
    """Spell a word that nobody knows as the source's word that it nearly is (student/spelling.py)."""
