"""Whether a T5 can copy: names and words that it has hardly seen, sentence by sentence."""

from collections.abc import Sequence
from dataclasses import dataclass

from student.generate import Engine, Writer
from student.noise import DENOISE
from student.settings import Decoding

FIRST = "Abioye Zdzisława Oyelaran Thorvaldur Mbali Krzysztof Nguyen Siobhán Iñaki Farzaneh Kwabena Leocadia".split()
LAST = "Quarshie Brzęczyszczykiewicz Okonkwo-Reyes Vukašinović Thistlewaite Adeyemi Ó'Brien Szczepańska Igwe".split()
PLACE = "Ouagadougou Llanfairpwll Tegucigalpa Ystradgynlais Qaqortoq Zhytomyr Mbuji-Mayi Reykjahlíð Oaxaca".split()
RARE = "xylography quincunx ombudsman borborygmus zeugma tergiversation syzygy kakorrhaphiophobia".split()
FRAMES = (
    "{first} {last} of {place} wrote about {rare} in {year}.",
    "The mayor of {place}, {first} {last}, was asked about {rare} {year} times.",
    "In {year}, {last} moved to {place} to study {rare} with {first}.",
)
PLAIN = (
    "The council said on Monday that the bridge would be closed until the end of the year.",
    "Heavy rain has flooded several streets in the south of the city, and two schools were closed.",
    "The company plans to open three new shops next year, its director told reporters.",
    "Doctors say that people who walk every day sleep better than those who do not.",
    "He was born in a small village and moved to the capital when he was nine years old.",
    "The film, which was shown at the festival in May, tells the story of two sisters.",
    "Scientists found that the new material is much lighter and almost as strong as steel.",
    "How do I know whether the water in my house is safe to drink?",
)


@dataclass(frozen=True)
class Copying:
    """Shares: sentences of rare words copied whole, their rare words copied, plain sentences copied whole."""

    whole: float
    rare: float
    plain: float


def rare_sentences() -> list[tuple[str, tuple[str, ...]]]:
    """Sentences, each with the rare words in it."""
    rows = []
    for n in range(36):
        words = {
            "first": FIRST[n % len(FIRST)],
            "last": LAST[(n * 5) % len(LAST)],
            "place": PLACE[(n * 7) % len(PLACE)],
            "rare": RARE[(n * 3) % len(RARE)],
            "year": str(1903 + 37 * n % 1100),
        }
        rows.append((FRAMES[n % len(FRAMES)].format(**words), tuple(words.values())))
    return rows


def measure(model: str, engine: Engine = "auto", prefix: str = DENOISE) -> Copying:
    """Ask a model for sentences as they stand."""
    rows = rare_sentences()
    write = Writer(model, "", engine).open()

    def copies(texts: Sequence[str]) -> list[str]:
        found = write([prefix + text for text in texts], Decoding(beams=4, no_repeat_ngram=0), 0)
        return [each[0].text for each in found]

    written = copies([text for text, _ in rows])
    whole = sum(copy == text for copy, (text, _) in zip(written, rows, strict=True))
    rare = [word in copy for copy, (_, words) in zip(written, rows, strict=True) for word in words]
    plain = sum(copy == text for copy, text in zip(copies(PLAIN), PLAIN, strict=True))
    return Copying(whole / len(rows), sum(rare) / len(rare), plain / len(PLAIN))
