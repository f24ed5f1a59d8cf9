import random

import pyarrow as pa
import pytest

from filters.numbers import Numbers, figures


def score(source: str | None, target: str | None, both_ways: bool = False) -> float | None:
    rows = pa.table({"source": pa.array([source], pa.string()), "target": pa.array([target], pa.string())})
    return Numbers(both_ways=both_ways).open("cpu")(rows).to_pylist()[0]


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("1,000 men", {"1000"}),
        ("a thousand men", {"1000"}),
        ("5 million people", {"5000000"}),
        ("5m people", {"5000000"}),
        ("5,000,000 people", {"5000000"}),
        ("five million people", {"5000000"}),
        ("$5 million", {"5000000 usd"}),
        ("5 million dollars", {"5000000 usd"}),
        ("€1.5bn", {"1500000000 eur"}),
        ("3.5 percent and 4 per cent and 10%", {"3.5 %", "4 %", "10 %"}),
        ("two dozen", {"24"}),
        ("dozens of hens", {"dozens"}),
        ("two hundred and fifty thousand three hundred", {"250300"}),
        ("twenty-five men", {"25"}),
        ("six, five, four", {"6", "5", "4"}),
        ("one hundred and one", {"101"}),
        ("the twenty-first century and the 21st", {"#21"}),
        ("first and 3rd", {"#1", "#3"}),
        ("May 3rd", {"may", "3"}),
        ("He may march in May", {"may"}),
        ("Sept. 11, 2001", {"september", "11", "2001"}),
        ("on Monday and tomorrow", {"monday", "tomorrow"}),
        ("the 1990s", {"1990s"}),
        ("at 3:30 p.m.", {"3:30 pm"}),
        ("an A320, an F-16 and Covid-19", {"a320", "f16", "covid19"}),
        ("minus: -5 degrees, won 2-1", {"-5 degree", "2", "1"}),
        ("no one, each one, one of them, the one", set()),
        ("one in five", {"1", "5"}),
        ("20 seconds per second", {"20 second"}),
        ("zero", {"0"}),
        ("three-hour talks, 3 hours, a 3-year-old", {"3 hour", "3 year"}),
        ("5 km, 5 kilometers, 5km", {"5 km"}),
        ("at 5 a.m., 5am or 5 am", {"5 am"}),
        ("minus 5 and minus five", {"-5"}),
        ("two thirds, one-third, a third of it", {"2/3", "1/3"}),
        ("a quarter of it, half of it, half the men", {"1/4", "1/2"}),
        ("the third quarter, a third man, the first half of it, half-time, a quarter-final", {"#3", "#1"}),
        ("the third strike, the first quarter, the second half, in half", {"#3", "#1", "#2"}),
        ("two third-graders, three quarter-finals, two quarters, one quarter-final", {"2", "#3", "3", "1"}),
        ("half an hour, a half-hour, half a mile", {"0.5 hour", "0.5 mile"}),
        ("half a million, half a dozen, half a billion dollars", {"500000", "6", "500000000 usd"}),
        ("two and a half years, 3 and a half hours", {"2.5 year", "3.5 hour"}),
        ("six and a half, one and a half million", {"1500000", "6.5"}),
        ("two and a half of them, minus 2 and a half", {"2.5", "-2.5"}),
        ("60 mph, 60 miles per hour, 60 miles an hour", {"60 mph"}),
        ("60 km/h, 60km/h, 60 kilometres per hour", {"60 kph"}),
        ("5 square miles, 5 square kilometres, 5 sq. km", {"5 square mile", "5 square km"}),
        ("5 cents, 5 yuan, 5 rupees, 5 ounces, 5 pounds, 5 lbs", {"5 cent", "5 cny", "5 inr", "5 ounce", "5 gbp"}),
        ("One day he left, who one day left", set()),
        ("in one day, a one-day match", {"1 day"}),
        ("5 percentage points, 5 percent", {"5 points", "5 %"}),
        ("٣ men, 京", {"3"}),
        ("Nothing here.", set()),
    ],
)
def test_reading(text: str, facts: set[str]) -> None:
    found = figures(text)
    assert found is not None
    assert found.stated == facts


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("It killed 47 people on Monday.", "It killed 47 people.", 1.0),
        ("It killed 47 people.", "It killed 57 people.", 0.0),
        ("It killed 47 people on Monday.", "It killed 47 on Tuesday.", 0.5),
        ("He paid $5.", "He paid five.", 1.0),  # the amount without its unit
        ("He paid 5.", "He paid $5.", 0.0),  # a unit out of nowhere
        ("$5 million", "€5 million", 0.0),
        ("One man died twice.", "1 man died 2 times.", 1.0),
        ("Nothing.", "Nothing at all.", 1.0),
        ("It rose 10 percent.", "It rose 10%.", 1.0),
        ("It took 3 hours.", "It took 3 days.", 0.0),
        ("It took three hours.", "The 3-hour talks.", 1.0),
        ("It took 3 or 4 days.", "It took 3 days.", 1.0),  # a bare number may be of any measure
        ("It took 3 hours.", "It took 3.", 1.0),
        ("It took a couple of days.", "It took 2 days.", 1.0),
        ("12 nurses came in 3 months.", "12 nurses came in 3 weeks.", 0.5),
        ("It is 5 km away.", "It is 5 miles away.", 0.0),
        ("They met at 5 a.m.", "They met at 5 p.m.", 0.0),
        ("They met at 5:30.", "They met at 5:30 p.m.", 1.0),
        ("It was minus 5.", "It was 5.", 0.0),
        ("Two thirds came.", "Two fifths came.", 0.0),
        ("A quarter of the staff left.", "Half of the staff left.", 0.0),
        ("Half of the staff left.", "50 percent of the staff left.", 1.0),
        ("It rose 5 percent.", "It rose 5 percentage points.", 0.0),
        ("It took an hour.", "It took half an hour.", 0.0),
        ("It took half an hour.", "It took 30 minutes.", 1.0),
        ("It took 30 minutes.", "It took half an hour.", 1.0),
        ("It took a week.", "It took one week.", 1.0),
        ("It cost half a million.", "It cost a million.", 0.0),
        ("It cost two and a half million.", "It cost 2.5 million.", 1.0),
        ("It was two and a half years ago.", "It was two years ago.", 0.0),
        ("Over half were hurt.", "Half of them were hurt.", 1.0),
        ("Nearly a third were hurt.", "Nearly a third of them were hurt.", 1.0),
        ("It is 500m long.", "It is 500 metres long.", 1.0),
        ("It went at 60 miles per hour.", "It went 60 miles.", 0.0),
        ("It has 5 square miles.", "It has 5 square km.", 0.0),
        ("It costs $5.", "It costs 5 cents.", 0.0),
    ],
)
def test_one_way(source: str, target: str, expected: float) -> None:
    assert score(source, target) == expected


def test_both_ways_sees_a_number_that_was_lost() -> None:
    assert score("47 died on Monday.", "47 died.") == 1.0
    assert score("47 died on Monday.", "47 died.", both_ways=True) == 0.5
    assert score("Two men, 3rd of May.", "2 men on May 3.", both_ways=True) == 1.0


def test_nulls_blanks_and_verdicts() -> None:
    assert [score(None, "1"), score("1", None), score(" ", "1"), score("1", "")] == [None] * 4
    assert Numbers().keep(pa.array([1.0, 0.99, 0.0, None], pa.float32())).to_pylist() == [True, False, False, False]


def spell(value: int) -> str:
    """English for a number below a thousand million, written apart from the reader as its oracle."""
    small = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    ones = ["", *small.split(), "eighteen", "nineteen"]
    tens = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
    for size, word in ((10**6, "million"), (10**3, "thousand"), (100, "hundred")):
        if value >= size:
            rest = spell(value % size) if value % size else ""
            joint = " and " if rest and value % size < 100 else " "
            return f"{spell(value // size)} {word}{joint}{rest}".strip()
    if value >= 20:
        return tens[value // 10] + (f"-{ones[value % 10]}" if value % 10 else "")
    return ones[value]


def test_spelled_numbers_equal_figures() -> None:
    rng = random.Random(3)
    values = [*range(2, 130), *(rng.randrange(2, 10 ** rng.randint(2, 9)) for _ in range(400))]
    for value in values:
        for text in (f"{spell(value)} men", f"{value:,} men", f"{value} men"):
            found = figures(text)
            assert found is not None
            assert found.stated == {f"{value}"}, text
