"""The sections of a recipe. Each field's one line of help stands under it and becomes its description."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from filters.nli_judge import FRAME
from pipeline.datelines import OUTLETS, PLACES
from pipeline.stage import Resources


class Section(BaseModel):
    """A frozen table of a recipe that knows all its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Models(Section):
    """Models by role. A model is "embedded:NAME", a folder, or a hub id such as org/name."""

    teacher: str = "embedded:smollm2-135m-instruct"
    """The language model that writes contexts and candidates."""
    teacher_revision: str | None = None
    """Branch, tag or commit of the teacher on the hub."""
    judge: str = "embedded:nli-minilm"
    """The NLI model that says what entails what; a task may have one of its own."""
    judge_revision: str | None = None
    """Branch, tag or commit of the judge on the hub."""
    encoder: str = "embedded:all-minilm-l6-v2"
    """The sentence encoder behind the similarity filter."""
    encoder_revision: str | None = None
    """Branch, tag or commit of the encoder on the hub."""
    fluency: str = "embedded:smollm2-135m-instruct"
    """The small causal language model behind the filters fluency, seams and fragments."""
    fluency_revision: str | None = None
    """Branch, tag or commit of that language model on the hub."""
    parser: str = "embedded:en-core-web-sm"
    """The spaCy pipeline behind the syntax filter: embedded or a folder; needs the extra `parser`."""
    student: str = "embedded:t5"
    """The T5 that learns from the corpus."""
    student_revision: str | None = None
    """Branch, tag or commit of the student on the hub."""


class TeacherContexts(Section):
    """How the teacher writes contexts: 2305.16635 v4, contexts."""

    style: Literal["dateline", "lines", "none"] = "dateline"
    """What the teacher is given to begin with: a dateline, one of `lines`, or nothing."""
    places: tuple[str, ...] = PLACES
    """Datelines: places as "City, Country"."""
    outlets: tuple[str, ...] = OUTLETS
    """Datelines: names put in brackets."""
    omit_place_share: float = Field(default=0.2, ge=0, le=1)
    """Datelines: share without the city, and as large a share without the country."""
    lines: tuple[str, ...] = ()
    """Lines: section words, forum names or any other prefixes of your own."""
    openings: tuple[str, ...] = ()
    """First words of the context itself, one drawn for each; they follow the prefix and are not removed."""
    temperature: float = Field(default=1.0, ge=0, le=5)
    """Sampling temperature of contexts."""
    top_p: float = Field(default=0.9, gt=0, le=1)
    """Nucleus mass of contexts."""
    max_tokens: int = Field(default=150, ge=1, le=4096)
    """Longest context the teacher writes, in tokens."""
    keep_prefix: bool = False
    """Leave the prefix in front of the context when candidates are written."""


class TextContexts(Section):
    """How the user's own text is read."""

    column: str = Field(default="text", min_length=1)
    """Column or JSON key that holds the text."""
    format: Literal["auto", "txt", "jsonl", "parquet"] = "auto"
    """File format; auto goes by the file's name."""
    max_characters: int = Field(default=1500, ge=3)
    """Longest window, in characters; a sentence that is longer alone is set aside."""


class Contexts(Section):
    """Where contexts come from."""

    source: str = Field(default="teacher", min_length=1)
    """ "teacher", a file, an fsspec URL, or "datasets:ID[:CONFIG[:SPLIT]]"."""
    count: int = Field(default=32, ge=1)
    """How many contexts are wanted."""
    min_sentences: int = Field(default=1, ge=1)
    """Fewest sentences of a context."""
    max_sentences: int = Field(default=5, ge=1)
    """Most sentences of a context."""
    closings: tuple[str, ...] = ()
    """Words that lead over to the next sentence ("My question is:"); each context, whatever its source, ends in one."""
    teacher: TeacherContexts = Field(default_factory=TeacherContexts)
    """Used when source is "teacher"."""
    text: TextContexts = Field(default_factory=TextContexts)
    """Used when source is the user's own text."""

    def spec(self, *left_out: str) -> dict[str, object]:
        """What contexts depend on, for a stage's spec; closings count only where there are some."""
        return self.model_dump(mode="json", exclude={*left_out, *(() if self.closings else ("closings",))})


class Sequential(Section):
    """y is written from the same context with keywords of x forced; off while `sources` is 0."""

    sources: int = Field(default=0, ge=0)
    """How many candidates x of a context are rewritten; 0 turns the mode off."""
    samples: int = Field(default=8, ge=1)
    """How many y are sampled for each x."""
    keywords: int = Field(default=3, ge=1)
    """Most keywords of x that are forced into y."""


class Modes(Section):
    """What is written beside the plain samples of a context. All ordered pairs of all its candidates are tried."""

    sequential: Sequential = Field(default_factory=Sequential)
    """Rewriting with forced keywords."""


Params = dict[str, object]
"""The parameters of a filter or selector as the recipe gives them; its own class checks them."""


class Task(Section):
    """A task is a name, a panel and thresholds; a new one needs no code."""

    instruction: str = ""
    """What the student reads before the source, such as "summarize: "."""
    judge: str | None = Field(default=None, min_length=1)
    """The NLI model that this task's filters and selectors ask, where it is not models.judge."""
    judge_revision: str | None = None
    """Branch, tag or commit of the task's judge on the hub."""
    judge_frame: str = Field(default="", pattern=FRAME)
    """A statement that the judge is given in place of each sentence, with {} for the sentence; for questions."""
    strength: Literal["forward", "sum"] = "forward"
    """What the best of several like pairs has most of: forward entailment, or the sum of both directions."""
    panel: dict[str, Params] = Field(default_factory=dict)
    """Filters in order, cheap ones first; each is a table of its parameters."""
    rewrites: dict[str, Params] = Field(default_factory=dict)
    """More filters, behind those of the panel, for what a student writes; each is a table."""
    select: dict[str, Params] = Field(default_factory=dict)
    """Selectors in order, after all filters; each is a table of its parameters."""


def _ten_buckets() -> tuple[float, ...]:
    return (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


class Corpus(Section):
    """What the kept pairs become."""

    splits: dict[str, float] = Field(default_factory=lambda: {"train": 0.9, "validation": 0.05, "test": 0.05})
    """Share of the contexts in each split; the shares sum to 1."""
    compression_edges: tuple[float, ...] = Field(default_factory=_ten_buckets)
    """Inner edges of the buckets of len(target) / len(source)."""
    novelty_edges: tuple[float, ...] = Field(default_factory=_ten_buckets)
    """Inner edges of the buckets of the share of new n-grams."""
    max_pairs_per_context: int = Field(default=0, ge=0)
    """Most pairs of one task kept from one context; 0 keeps all."""


class Rounds(Section):
    """Self-distillation: a student rewrites sentences, the panel judges them, the next student learns from the rest."""

    source: str = Field(default="teacher", min_length=1)
    """What is rewritten: sentences of the teacher's ("teacher"), or those of a file or URL, as in contexts.source."""
    sources_per_context: int = Field(default=8, ge=1)
    """Teacher's sentences: how many of each context, drawn anew every round."""
    count: int = Field(default=1000, ge=1)
    """Sentences of a file: how many."""
    tasks: tuple[str, ...] = ()
    """Tasks that a student is asked for; none named: all of the recipe's."""
    samples: int = Field(default=10, ge=1, le=256)
    """Rewrites of each sentence for each task: 2305.16635 v4, self-distillation."""
    temperature: float = Field(default=0.7, ge=0, le=5)
    """Sampling temperature of rewrites; 0: as many beams as samples."""
    top_p: float = Field(default=0.9, gt=0, le=1)
    """Nucleus mass of rewrites."""
    survivor: Literal["strongest", "closest", "least_overlap", "all"] = "strongest"
    """Which rewrite of a sentence is kept: the surest, the surest and nearest, that with the least overlap, or all."""
    drop_slips: bool = False
    """Drop rewrites with slips of a small student: words joined wrongly or said twice, an end in the middle."""
    start: Literal["fresh", "continue"] = "fresh"
    """Student r learns from the recipe's T5 anew, or goes on from student r - 1."""
    corpora: Literal["last", "all"] = "all"
    """What student r learns from: the corpus of round r - 1 alone, or those of all earlier rounds."""
    min_acceptance: float = Field(default=0.0, ge=0, le=1)
    """Stop when a smaller share of the rewrites is accepted; 0 never stops."""
    min_distinct_2: float = Field(default=0.0, ge=0, le=1)
    """Stop when the accepted targets hold a smaller share of different bigrams; 0 never stops."""
    max_self_bleu: float = Field(default=0.0, ge=0, le=100)
    """Stop when the accepted targets are more like each other, self-BLEU in percent; 0 never stops."""


class StageResources(Section):
    """What one worker of a stage needs."""

    workers: int = Field(default=1, ge=1)
    """How many workers run the stage."""
    cpus: float = Field(default=1.0, gt=0)
    """Processors that one worker reserves; may be a fraction."""
    gpus: float = Field(default=0.0, ge=0)
    """GPUs that one worker reserves; may be a fraction."""
    threads: int = Field(default=1, ge=1)
    """Threads that one worker computes with."""

    def resources(self) -> Resources:
        return Resources(self.workers, self.cpus, self.gpus, self.threads)


class Stages(Section):
    """Resources by stage."""

    contexts: StageResources = Field(default_factory=StageResources)
    """The teacher writes contexts, or text is cut into them."""
    candidates: StageResources = Field(default_factory=StageResources)
    """The teacher writes candidates."""
    pairs: StageResources = Field(default_factory=StageResources)
    """Pairs are formed and pass the cheap filters."""
    scores: StageResources = Field(default_factory=StageResources)
    """Models judge the pairs that are left."""
    rewrites: StageResources = Field(default_factory=StageResources)
    """A student writes."""
    student: StageResources = Field(default_factory=StageResources)
    """A student learns; several workers through Ray Train, each with its share of every step."""


class Run(Section):
    """How the stages are run; decides speed, never the corpus."""

    backend: Literal["ray", "local"] = "ray"
    """ray: pools of workers. local: in this process, for debugging."""
    shard_contexts: int = Field(default=8, ge=1)
    """Contexts in one shard, the unit of work and of resuming."""
    retries: int = Field(default=2, ge=0)
    """How often a shard is tried again after its worker died."""
    resources: Stages = Field(default_factory=Stages)
    """What each stage's workers need."""
