"""The plan of self-distillation: a corpus trains a student, the student writes the next corpus, and so on.

round r (r >= 1): student r learns from what round r - 1 (or all rounds before) came to. For student r + 1 it first
rewrites sentences; the same panel, filters for rewrites alone behind it, and the same selectors judge them, and
monitors look at what is left.
"""

from dataclasses import dataclass
from pathlib import Path

from filters import SELECTORS
from filters.base import Selector
from filters.one_per_source import OnePerSource
from pipeline.assemble import Assemble
from pipeline.errors import UserError
from pipeline.judge import JudgePairs
from pipeline.plan import FoldStep, Input, MapStep, Read, Step
from pipeline.recipe import Recipe
from pipeline.recipe_sections import Contexts
from pipeline.rounds.monitors import RoundMonitors
from pipeline.rounds.rewrite import StudentRewrites
from pipeline.rounds.rewritten_pairs import RewrittenPairs
from pipeline.rounds.train_student import CORPUS, TrainStudent
from pipeline.store import Run
from pipeline.text_contexts import CutContexts, entries
from pipeline.windows import cut_source
from student.settings import Decoding
from student.train import TrainSpec

SPLITS = ("train", "validation", "test")


def pairs_alone(run: Run) -> bool:
    """Whether a run's pairs were brought. A run that has not begun is a teacher's: its contexts are yet to come."""
    return run.stage(0, "pairs").folder.exists() and not run.stage(0, "contexts").folder.exists()


@dataclass(frozen=True)
class Distillation:
    """Plans the rounds of a run; holds no model."""

    recipe: Recipe
    run: Run

    def steps(self, rounds: int) -> list[Step]:
        """All that ends with student `rounds`, after round 0's corpus."""
        splits = self.recipe.corpus.splits
        if "train" not in splits:
            raise UserError(
                f"recipe {self.recipe.name}: corpus.splits are {', '.join(splits)}; a student learns from the one "
                "named train and measures on validation: name them so"
            )
        planned: list[Step] = []
        for number in range(1, rounds + 1):
            planned += [] if number == 1 else self.writing(number - 1)
            planned.append(self.learning(number))
        return planned

    def learning(self, number: int) -> Step:
        """Student `number` from the corpora before it."""
        first = 0 if self.recipe.rounds.corpora == "all" else number - 1
        reads = {f"{CORPUS}-{r}": Read(r, "corpus", SPLITS, where_there=True) for r in range(first, number)}
        if self.recipe.student.rehearsal_share:
            reads |= self._rehearsed(number)
        needs = self.recipe.resources("student")
        stage = TrainStudent(self._training(number), self._origin(number), needs)
        return FoldStep(number, stage, reads)

    def _rehearsed(self, number: int) -> dict[str, Read]:
        """The teacher's sentences, and those of the user's own text that students before this one rewrote."""
        teacher = {} if pairs_alone(self.run) else {"candidates": Read(0, "candidates")}
        own = range(1, number) if self.recipe.rounds.source != "teacher" else ()
        return teacher | {f"contexts-{r}": Read(r, "contexts") for r in own}

    def _training(self, number: int) -> TrainSpec:
        recipe = self.recipe
        instructions = {name: task.instruction for name, task in recipe.tasks.items()}
        base, revision = recipe.models.student, recipe.models.student_revision or ""
        if self._origin(number):
            base, revision = str(self._folder(number - 1) / "model"), ""
        seed = recipe.seed + number + 1000 * recipe.student.seed
        both = (name for name, task in recipe.tasks.items() if recipe.student.both_ways and task.strength == "sum")
        return TrainSpec(base, instructions, revision, recipe.student, seed, tuple(both))

    def _origin(self, number: int) -> str:
        """ "" for the recipe's T5, else which student's weights are gone on from."""
        goes_on = number > 1 and self.recipe.rounds.start == "continue"
        return f"student {number - 1}" if goes_on else ""

    def _folder(self, number: int) -> Path:
        return self.run.stage(number, "student").folder

    def writing(self, number: int) -> list[Step]:
        """What student `number` writes, judged: candidates to corpus of that round, and its monitors."""
        recipe = self.recipe
        panels = {name: recipe.rewrites_panel(name) for name in recipe.tasks}
        pairs, scores = recipe.resources("pairs"), recipe.resources("scores")
        speller = self._folder(number) / "model" if recipe.rounds.drop_slips else None
        form = RewrittenPairs(panels, recipe.candidate_filter(), speller, "cuda" if pairs.gpus else "cpu", pairs)
        judge = JudgePairs(panels, "cuda" if scores.gpus else "cpu", scores)
        corpus = Assemble({name: self._selectors(name) for name in recipe.tasks}, recipe.corpus, scores)
        reads = {name: Read(number, name) for name in ("pairs", "scores")}
        return [
            *self._rewriting(number),
            MapStep(number, form, Read(number, "candidates")),
            MapStep(number, judge, reads["pairs"]),
            FoldStep(number, corpus, reads),
            self._monitors(number),
        ]

    def _rewriting(self, number: int) -> list[Step]:
        """Sentences of the teacher's candidates, or of the user's own text."""
        rounds, teacher = self.recipe.rounds, self.recipe.rounds.source == "teacher"
        needs = self.recipe.resources("rewrites")
        stage = StudentRewrites(
            self._folder(number),
            Decoding(samples=rounds.samples, beams=1, temperature=rounds.temperature, top_p=rounds.top_p),
            self.recipe.candidate_filter(),
            tuple(task for task in self.recipe.tasks if task in (rounds.tasks or self.recipe.tasks)),
            rounds.sources_per_context if teacher else None,
            self.recipe.seed,
            number,
            device="cuda" if needs.gpus else "cpu",
            resources=needs,
        )
        if teacher:
            return [MapStep(number, stage, Read(0, "candidates"))]
        return [self._own_text(number), MapStep(number, stage, Read(number, "contexts"))]

    def _own_text(self, number: int) -> Step:
        """Single sentences of a file; another draw every round."""
        settings = self.recipe.contexts
        wanted = Contexts(
            source=self.recipe.rounds.source,
            count=self.recipe.rounds.count,
            min_sentences=1,
            max_sentences=1,
            text=settings.text,
        )
        seed = self.recipe.seed + number
        cut = entries(cut_source(wanted, seed), self.recipe.run.shard_contexts * 8)
        stage = CutContexts(wanted, seed, self.recipe.resources("contexts"))
        return MapStep(number, stage, tuple(Input.planned(table) for table in cut))

    def _selectors(self, task: str) -> tuple[Selector, ...]:
        """The recipe's, after the choice of a survivor for each source."""
        survivor = self.recipe.rounds.survivor
        if survivor in ("strongest", "closest") and "entailment" not in self.recipe.tasks[task].panel:
            raise UserError(
                f"recipe {self.recipe.name}: rounds.survivor={survivor} goes by the filter entailment, which task "
                f"{task} has not: add it to the panel, or SET='rounds.survivor=least_overlap'"
            )
        chosen = self.recipe.selectors(task)
        if survivor == "all":
            return chosen
        kind = SELECTORS[OnePerSource.name]
        return (self.recipe.builder.build(kind, {"by": survivor}), *chosen)

    def _monitors(self, number: int) -> Step:
        rounds = self.recipe.rounds
        reads = {f"corpus-{r}": Read(r, "corpus", SPLITS, where_there=True) for r in range(number)}
        reads |= {
            "corpus": Read(number, "corpus", SPLITS, where_there=True),
            "candidates": Read(number, "candidates"),
        }
        limits = (rounds.min_acceptance, rounds.min_distinct_2, rounds.max_self_bleu)
        return FoldStep(number, RoundMonitors(*limits), reads)
