"""What figures count: money, shares, and the usual measures, each brought to one word.

A figure with its unit is one fact ("3 hour"), and so is a fraction ("2/3"). filters/numbers.py reads the number.
"""

MEASURES = {
    word: names.split()[0]
    for names in """second seconds sec secs
        minute minutes min mins
        hour hours hr hrs
        day days
        week weeks
        month months
        year years
        decade decades
        century centuries
        am
        pm
        mm millimetre millimetres millimeter millimeters
        cm centimetre centimetres centimeter centimeters
        metre metres meter meters
        km kilometre kilometres kilometer kilometers
        inch inches
        foot feet ft
        yard yards
        mile miles
        acre acres
        hectare hectares
        gram grams
        kg kilogram kilograms kilo kilos
        ounce ounces oz
        ton tons tonne tonnes
        litre litres liter liters
        gallon gallons
        degree degrees
        kilowatt kilowatts kw
        megawatt megawatts mw
        gigawatt gigawatts gw
        megabyte megabytes mb
        gigabyte gigabytes gb
        mph
        kph kmh""".splitlines()
    for word in names.split()
}
UNITS = {
    **dict.fromkeys(("%", "percent", "pct", "percentage"), "%"),
    **dict.fromkeys(("$", "us$", "dollar", "dollars"), "usd"),
    **dict.fromkeys(("cent", "cents"), "cent"),
    **dict.fromkeys(("€", "euro", "euros"), "eur"),
    **dict.fromkeys(("£", "pound", "pounds", "lb", "lbs"), "gbp"),  # money and weight have one word
    **dict.fromkeys(("¥", "yen"), "jpy"),
    **dict.fromkeys(("yuan",), "cny"),
    **dict.fromkeys(("rupee", "rupees"), "inr"),
    **dict.fromkeys(("ruble", "rubles", "rouble", "roubles"), "rub"),
    **dict.fromkeys(("peso", "pesos"), "peso"),
    **dict.fromkeys(("franc", "francs"), "franc"),
    **MEASURES,
}
SPEEDS = {"mile": "mph", "km": "kph"}
POWERS = {"square": "square", "sq": "square", "cubic": "cubic"}
LENGTHS = frozenset("cm metre km inch foot yard mile".split())
KINDS = frozenset(MEASURES.values()) | {f"{power} {length}" for power in set(POWERS.values()) for length in LENGTHS}
PARTS = {"third": 3, "quarter": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10}
SAME = {
    "1/2": "50 %", "1/4": "25 %", "3/4": "75 %", "1/5": "20 %", "2/5": "40 %", "3/5": "60 %", "4/5": "80 %",
    "0.5 hour": "30 minute", "1.5 hour": "90 minute", "0.5 year": "6 month", "1.5 year": "18 month",
}  # fmt: skip
"""Two ways to say one amount; either stands for the other."""
_RANKED = {"final", "finals", "finalist", "finalists", "grader", "graders", "place", "placed", "party", "century"}


def with_unit(value: float, i: int, tokens: list[str], unit: str | None = None) -> tuple[str, int]:
    """The number with what it counts from token i on, or as a fraction ("two thirds"), and where to read on."""
    if unit is None and (parts := _out_of(value, tokens, i)):
        return f"{value:.15g}/{parts}", i + 1
    return counted(f"{value:.15g}", unit, tokens, i)


def _out_of(value: float, tokens: list[str], i: int) -> int:
    """How many parts the whole has: 3 in "two thirds". 0 for a rank ("two third-graders", "one quarter-final")."""
    word, after = (*tokens[i : i + 2], "", "")[:2]
    part = word.removesuffix("s")
    if not 0 < value < PARTS.get(part, 0):
        return 0
    if word == part:
        return PARTS[part] if value == 1 and after not in _RANKED else 0
    return PARTS[part] if part != "quarter" or value != 2 else 0  # two quarters are half a year


def counted(number: str, unit: str | None, tokens: list[str], i: int) -> tuple[str, int]:
    """Add the unit that follows ("percent", "per cent", "dollars", "a.m."), unless a sign has already said it."""
    if unit is None:
        unit, i = _unit(tokens, i)
    if unit == "%" and tokens[i : i + 1] in (["point"], ["points"]):
        unit, i = "points", i + 1
    elif unit in SPEEDS and tokens[i : i + 1] == ["h"]:
        unit, i = SPEEDS[unit], i + 1
    elif unit in SPEEDS and tokens[i : i + 2] in (["per", "hour"], ["an", "hour"]):
        unit, i = SPEEDS[unit], i + 2
    return f"{number} {unit}" if unit else number, i


def _unit(tokens: list[str], i: int) -> tuple[str | None, int]:
    """The unit at token i, if one stands there, and where to read on."""
    first, second = (*tokens[i : i + 2], "", "")[:2]
    if (first, second) == ("per", "cent"):
        return "%", i + 2
    if first in ("a", "p") and second == "m":
        return first + second, i + 2
    if first in POWERS and MEASURES.get(second) in LENGTHS:
        return f"{POWERS[first]} {MEASURES[second]}", i + 2
    return (UNITS[first], i + 1) if first in UNITS else (None, i)
