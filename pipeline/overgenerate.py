"""Contexts to candidates: many more next sentences than will be kept.

`parallel`: n samples of the next sentence, one request a context. `sequential`: some of those samples are taken as x,
and more are written from the same context with keywords of x forced.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import ClassVar

import pyarrow as pa

from filters.wellformed import Wellformed
from pipeline.pair import judge_spec
from pipeline.recipe_sections import Modes
from pipeline.records import CANDIDATE, content_id, spaced_seed
from pipeline.stage import Batch, Output, Resources, StageFunction
from pipeline.teacher.decoder import Continuation, Decode, Decoder, Request, Sampling
from pipeline.teacher.keywords import coverage, pick

Row = dict[str, object]


@dataclass(frozen=True)
class Overgenerate:
    """A context a row in, its candidates out, in context order and sample order."""

    name: ClassVar[str] = "candidates"
    decoder: Decoder
    sampling: Sampling
    modes: Modes
    wellformed: Wellformed  # which samples may serve as x
    seed: int
    round: int = 0
    resources: Resources = field(default_factory=Resources)
    writes: pa.Schema = CANDIDATE

    def spec(self) -> Mapping[str, object]:
        spec: dict[str, object] = {"teacher": self.decoder.fingerprint(), "sampling": asdict(self.sampling)}
        spec |= {"modes": self.modes.model_dump(mode="json"), "seed": self.seed, "round": self.round}
        return spec | ({"wellformed": judge_spec(self.wellformed)} if self.modes.sequential.sources else {})

    def facts(self) -> Mapping[str, object]:
        return self.spec()

    def open(self) -> StageFunction:
        writer = self.decoder.fingerprint()
        decode = self.decoder.open()
        return lambda batch: self._write(batch, decode, writer)

    def _write(self, batch: Batch, decode: Decode, writer: str) -> Output:
        contexts = batch.table.select(["context_id", "text"]).to_pylist()
        rows = _by_context(batch.known.to_pylist() if batch.known is not None else [])
        fresh = [context for context in contexts if context["context_id"] not in rows]
        written = self._parallel(fresh, decode)
        for context, extra in zip(fresh, self._sequential(fresh, written, decode), strict=True):
            key = context["context_id"]
            made = written[key] + extra
            if made:
                rows[key] = [row | {"writer": writer, "round": self.round} for row in made]
        return _output(contexts, rows)

    def _parallel(self, contexts: Sequence[Row], decode: Decode) -> dict[object, list[Row]]:
        requests = [self._request(context, "parallel") for context in contexts]
        answers = decode(requests, self.sampling)
        return {
            context["context_id"]: [_row(context, answer, "parallel") for answer in sample]
            for context, sample in zip(contexts, answers, strict=True)
        }

    def _request(self, context: Row, *key: str) -> Request:
        return Request(str(context["text"]), spaced_seed(self.seed, "candidates", str(context["context_id"]), *key))

    def _sequential(
        self, contexts: Sequence[Row], written: Mapping[object, list[Row]], decode: Decode
    ) -> list[list[Row]]:
        """For each context, y for each of its x; one call for all, so that the engine stays full."""
        mode = self.modes.sequential
        plan = [(context, x) for context in contexts for x in self._sources(context, written[context["context_id"]])]
        requests = [
            replace(self._request(context, str(x["candidate_id"])), keywords=pick(str(x["text"]), mode.keywords))
            for context, x in plan
        ]
        answers = decode(requests, replace(self.sampling, n=mode.samples)) if requests else []
        extra: dict[object, list[Row]] = {context["context_id"]: [] for context in contexts}
        for (context, x), request, sample in zip(plan, requests, answers, strict=True):
            extra[context["context_id"]] += [_row(context, y, "sequential", request.keywords, x) for y in sample]
        return [extra[context["context_id"]] for context in contexts]

    def _sources(self, context: Row, rows: Iterable[Row]) -> list[Row]:
        """Which samples serve as x: well formed, different, the ones with most keywords first, ties by id."""
        unique = {str(row["text"]): row for row in rows if row["ended"] == "sentence"}
        fit = [row for text, row in unique.items() if self.wellformed.problem(text, str(context["text"])) is None]
        ranked = sorted(fit, key=lambda row: (-len(pick(str(row["text"]), 8)), str(row["candidate_id"])))
        return ranked[: self.modes.sequential.sources]


def _row(context: Row, answer: Continuation, mode: str, keywords: Sequence[str] = (), source: Row | None = None) -> Row:
    text = answer.text.strip()
    return {
        "candidate_id": content_id("candidate", str(context["context_id"]), str(answer.seed), text),
        "context_id": context["context_id"],
        "context": context["text"],
        "text": text,
        "mode": mode,
        "keywords": list(keywords),
        "coverage": coverage(text, keywords) if source else None,
        "source_id": source["candidate_id"] if source else None,
        "logprob": answer.logprob,
        "tokens": answer.tokens,
        "decoded": answer.decoded,
        "ended": answer.ended,
        "seed": answer.seed,
    }


def _by_context(rows: Iterable[Row]) -> dict[object, list[Row]]:
    grouped: dict[object, list[Row]] = {}
    for row in rows:
        grouped.setdefault(row["context_id"], []).append(row)
    return grouped


def _output(contexts: Sequence[Row], rows: Mapping[object, list[Row]]) -> Output:
    """Everything in context order; a context without candidates did not fit the teacher's window and is set aside."""
    kept = [row for context in contexts for row in rows.get(context["context_id"], [])]
    aside = [context | {"reason": "context_too_long"} for context in contexts if context["context_id"] not in rows]
    counts = {"in": len(contexts), "out": len(contexts) - len(aside)}
    counts |= {"dropped/context_too_long": len(aside)} if aside else {}
    counts |= {"sampled": len(kept), "tokens_decoded": _total(kept, "decoded")}
    counts |= {"tokens_kept": _total([row for row in kept if row["ended"] == "sentence"], "tokens")}
    forced = [row for row in kept if row["mode"] == "sequential"]
    if forced:
        asked = sum(len(_words(row)) for row in forced)
        found = sum(round(float(str(row["coverage"])) * len(_words(row))) for row in forced)
        counts |= {"keywords_asked": asked, "keywords_found": found}
    return Output(pa.Table.from_pylist(kept, schema=CANDIDATE), counts, pa.Table.from_pylist(aside) if aside else None)


def _words(row: Row) -> Sequence[object]:
    words = row["keywords"]
    return words if isinstance(words, list) else []


def _total(rows: Iterable[Row], column: str) -> int:
    return sum(int(str(row[column])) for row in rows)
