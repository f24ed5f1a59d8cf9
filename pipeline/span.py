"""A count that is known, or known to lie between two: what a funnel is made of before a model was asked."""

from dataclasses import dataclass, field

from pipeline.stored_scores import ROUND


@dataclass(frozen=True)
class Span:
    """At least and at most so many; equal where the number is known."""

    least: int
    most: int

    @classmethod
    def exactly(cls, number: int) -> "Span":
        return cls(number, number)

    @property
    def exact(self) -> bool:
        return self.least == self.most

    def __add__(self, other: "Span") -> "Span":
        return Span(self.least + other.least, self.most + other.most)

    def __str__(self) -> str:
        return f"{self.least:,}" if self.exact else f"{self.least:,} to {self.most:,}"

    def data(self) -> int | dict[str, int]:
        return self.least if self.exact else {"at_least": self.least, "at_most": self.most}


@dataclass(frozen=True)
class SpanLevel:
    """One line of a funnel, as pipeline/funnel.py has them, in spans."""

    stage: str
    task: str
    entered: Span
    left: Span
    dropped: dict[str, Span] = field(default_factory=dict)

    def data(self) -> dict[str, object]:
        return {
            "round": ROUND,
            "stage": self.stage,
            "task": self.task,
            "in": self.entered.data(),
            "out": self.left.data(),
            "dropped": {name: span.data() for name, span in self.reasons()},
        }

    def reasons(self) -> list[tuple[str, Span]]:
        """What dropped any, most first; what cannot have dropped any is left out."""
        some = [(name, span) for name, span in self.dropped.items() if span.most]
        return sorted(some, key=lambda item: (-item[1].most, item[0]))
