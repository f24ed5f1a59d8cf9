"""Every filter of the catalogue has a table here: kept, dropped, boundary and unicode rows; one without a table fails.

The tables are put to the filters in test_every_filter.py, which asks blank and null rows of all alike. `ANY` stands
for a score that a model gives and that is not written down.
"""

import math
from dataclasses import dataclass, field

from conftest import TEXTS

from filters import FILTERS
from filters.asked import Asked
from filters.base import Filter
from filters.entailment import Entailment, ReverseEntailment
from filters.entities import Names, Roles
from filters.fluency import Fluency
from filters.fragments import Fragments
from filters.length import Length
from filters.modality import Hedges
from filters.numbers import Numbers
from filters.overlap import Novelty, Overlap
from filters.polarity import Converses, Negation
from filters.reference import Pronouns
from filters.screen import Screen
from filters.seams import Seams
from filters.similarity import Similarity
from filters.support import Support
from filters.syntax import Syntax
from filters.wellformed import Wellformed

Row = tuple[str, str, float]
"""source, target, score"""
ANY = math.nan


@dataclass(frozen=True)
class Table:
    """`threshold` is the parameter that a boundary row's score is put into; where there is none, `least` passes."""

    spec: Filter
    kept: list[Row]
    dropped: list[Row]
    boundary: list[Row]
    unicode: list[Row]  # kept, and not in ASCII
    threshold: str | None = None
    least: float = 1.0
    itself: bool = True  # whether a score at the threshold passes
    fixtures: dict[str, str] = field(default_factory=dict)  # parameters that a fixture gives


PLAIN = "The old bridge in the town was closed on Monday."
TOLD = "The town's old bridge was closed on Monday."
ZURICH = "Die alte Brücke in Zürich wurde am Montag gesperrt."
DOGS = "Two young men are playing football in the park with a dog."

TABLES = {
    "wellformed": Table(
        Wellformed(),
        kept=[(PLAIN, TOLD, 1.0)],
        dropped=[(PLAIN, "The bridge was closed", 0.0), (PLAIN, "Closed.", 0.0)],
        boundary=[("One plant in Ohio has closed.", PLAIN, 1.0)],  # six words, the fewest
        unicode=[(ZURICH, ZURICH, 1.0)],
    ),
    "length": Table(
        Length(below_ratio=0.8),
        threshold="below_ratio",
        itself=False,
        kept=[("abcdefghij", "abcdefg", 0.7)],
        dropped=[("abcdefghij", "abcdefghi", 0.9)],
        boundary=[("abcdefghij", "abcdefgh", 0.8)],
        unicode=[("äöüßé", "äöü", 0.6)],
    ),
    "overlap": Table(
        Overlap(),
        threshold="max_rouge_l",
        kept=[("one two three four", "four three two one", 0.25)],
        dropped=[("one two three four", "one two three four", 1.0)],
        boundary=[("one two three four", "one two three five", 0.75)],
        unicode=[("Zürich ist schön heute", "heute schneit es überall", 0.25)],
    ),
    "novelty": Table(
        Novelty(),
        threshold="min_novel_share",
        kept=[("one two three", "three two one", 1.0)],
        dropped=[("one two three four", "one two three", 0.0)],
        boundary=[("a b c d e", "a b c d e f", 0.2)],
        unicode=[("żółw je sałatę", "sałatę je żółw", 1.0)],
    ),
    "numbers": Table(
        Numbers(),
        kept=[("It cost $5m in 1999.", "It cost 5 million dollars.", 1.0)],
        dropped=[("47 died.", "57 died.", 0.0), ("3 of 4 died in May 1999.", "3 of 5 died.", 0.5)],
        boundary=[("It cost 1,000.", "It cost a thousand.", 1.0)],
        unicode=[("Es kostete 5 € in Köln.", "5 € kostete es.", 1.0)],
    ),
    "names": Table(
        Names(),
        kept=[("John Smith met Jane Doe in Paris.", "Smith met Doe.", 1.0)],
        dropped=[("It snowed in France.", "It snowed in Spain.", 0.0)],
        boundary=[("The United States attacked.", "The U.S. attacked.", 1.0)],
        unicode=[
            ("We saw Élodie in Zürich.", "We met Elodie.", 1.0),
            ("We saw Élodie.", "We met Élodie – twice.", 1.0),
        ],
    ),
    "roles": Table(
        Roles(),
        kept=[("Google bought Apple in May.", "Apple was bought by Google in May.", 1.0)],
        dropped=[("Google bought Apple in May.", "Apple bought Google in May.", 0.0)],
        boundary=[("Google and Apple agreed.", "Apple and Google agreed.", 1.0)],
        unicode=[("Élodie besuchte Jürgen.", "Élodie traf Jürgen.", 1.0)],
    ),
    "negation": Table(
        Negation(),
        kept=[("The plant will close.", "The plant will shut.", 1.0)],
        dropped=[("The plant will close.", "The plant won't close.", 0.0)],
        boundary=[("He did not deny the charge.", "He admitted the charge.", 1.0)],
        unicode=[("The plant won’t close.", "The plant does not close.", 1.0)],
    ),
    "converses": Table(
        Converses(),
        kept=[("Shares rose sharply.", "Stocks climbed.", 1.0)],
        dropped=[("Shares rose sharply.", "Shares fell sharply.", 0.0)],
        boundary=[("Shares rose, then fell.", "Shares fell.", 1.0)],
        unicode=[("今日 ☃", "☃ è qui", 1.0)],
    ),
    "hedges": Table(
        Hedges(),
        kept=[("The plant may close.", "It might close.", 1.0)],
        dropped=[("The plant may close.", "The plant will close.", 0.0)],
        boundary=[("It closed, and it may rain.", "It closed.", 1.0)],
        unicode=[("Zoë’s plant may close.", "Zoë’s plant could close.", 1.0)],
    ),
    "pronouns": Table(
        Pronouns(),
        least=0.5,
        kept=[("The mayor said she would go.", "The mayor said she goes.", 1.0)],
        dropped=[("She was arrested.", "He was arrested.", 0.0)],
        boundary=[("She was arrested.", "She was held.", 0.5)],
        unicode=[("Élodie said she’d go.", "Élodie said she will go.", 1.0)],
    ),
    "asked": Table(
        Asked(),
        kept=[("How can I learn to swim?", "What is the best way to learn swimming?", 1.0)],
        dropped=[("How did the war end?", "Why did the war end?", 0.0)],
        boundary=[("The war ended.", "It ended in May.", 1.0)],
        unicode=[("Where is Zoë’s café?", "“In which city is Zoë’s café?”", 1.0)],
    ),
    "support": Table(
        Support(),
        threshold="min_share",
        kept=[("The mayor closed two bridges on Monday.", "The mayor closes bridges.", 1.0)],
        dropped=[("He speaks about the planet today.", "He speaks about climate policy.", 1 / 3)],
        boundary=[("One dog barks near houses.", "A dog barks near houses, loudly.", 0.75)],
        unicode=[("Żółw je sałatę.", "Żółw je.", 1.0)],
    ),
    "similarity": Table(
        Similarity(threads=1),
        threshold="min_cosine",
        kept=[(TEXTS[0], TEXTS[1], ANY)],
        dropped=[(TEXTS[0], TEXTS[3], ANY)],
        boundary=[(PLAIN, TOLD, ANY)],
        unicode=[("Zürich's trams were late – again.", "The trams of Zürich were late again.", ANY)],
    ),
    "syntax": Table(
        Syntax(),
        threshold="min_distance",
        kept=[("The police closed the bridge.", "The bridge was closed by the police.", ANY)],
        dropped=[("The police closed the bridge.", "The army opened the road!", 0.0)],
        boundary=[("The police closed the bridge.", "The police closed the old bridge.", 2 / 12)],
        unicode=[("Élodie’s car was late.", "Late, the car of Élodie arrived.", ANY)],
    ),
    "fluency": Table(
        Fluency(threads=1),
        threshold="max_rise",
        kept=[(TEXTS[0], TEXTS[1], ANY)],
        dropped=[(TEXTS[0], "council Tuesday on the budget new approved The.", ANY)],
        boundary=[(TEXTS[2], TEXTS[3], ANY)],
        unicode=[(TEXTS[0], TEXTS[5], ANY)],
        fixtures={"model": "tiny_language_model"},
    ),
    "seams": Table(
        Seams(threads=1),
        threshold="max_surprise",
        kept=[(TEXTS[0], TEXTS[0], 0.0)],
        dropped=[(TEXTS[0], "The council approved on Tuesday Tuesday council.", ANY)],
        boundary=[(TEXTS[0], "The city council approved the budget.", ANY)],
        unicode=[(TEXTS[5], TEXTS[5], 0.0)],
        fixtures={"model": "tiny_language_model"},
    ),
    "fragments": Table(
        Fragments(threads=1, max_awaited=0.1),
        threshold="max_awaited",
        kept=[(TEXTS[0], TEXTS[0], ANY)],
        dropped=[(TEXTS[2], "Rain.", ANY)],
        boundary=[(TEXTS[1], "A new budget.", ANY)],
        unicode=[(TEXTS[5], TEXTS[5], ANY)],
        fixtures={"model": "tiny_language_model"},
    ),
    "screen": Table(
        Screen(threads=1, both_ways=True),
        threshold="min_probability",
        kept=[(DOGS, DOGS, ANY)],
        dropped=[(DOGS, "The senate voted on the tax bill.", ANY)],
        boundary=[(PLAIN, TOLD, ANY)],
        unicode=[("Zoë’s two young men are playing football.", "Zoë’s two young men play football.", ANY)],
    ),
    "entailment": Table(
        Entailment(threads=1),
        threshold="min_probability",
        kept=[(DOGS, "Two men are playing football.", ANY)],
        dropped=[(DOGS, "The senate voted on the tax bill.", ANY)],
        boundary=[(PLAIN, TOLD, ANY)],
        unicode=[("Zoë’s two young men are playing football.", "Two men are playing football.", ANY)],
    ),
    "reverse_entailment": Table(
        ReverseEntailment(threads=1),
        threshold="min_probability",
        kept=[("Two men are playing football.", DOGS, ANY)],
        dropped=[("The senate voted on the tax bill.", DOGS, ANY)],
        boundary=[(PLAIN, TOLD, ANY)],
        unicode=[("Two men are playing football.", "Zoë’s two young men are playing football.", ANY)],
    ),
}


def test_every_filter_has_a_table_and_every_table_its_rows() -> None:
    assert TABLES.keys() == FILTERS.keys(), "give a new filter an entry in TABLES"
    for name, table in TABLES.items():
        assert type(table.spec) is FILTERS[name] and table.spec.name == name
        assert table.kept and table.dropped and table.boundary and table.unicode, name
        assert not any("".join((source, target)).isascii() for source, target, _ in table.unicode), name
