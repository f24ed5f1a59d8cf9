"""What figures count: money, shares, and the usual measures, each brought to one word. Data of filters/numbers.py."""

UNITS = {
    **dict.fromkeys(("%", "percent", "pct", "percentage"), "%"),
    **dict.fromkeys(("$", "us$", "dollar", "dollars"), "usd"),
    **dict.fromkeys(("€", "euro", "euros"), "eur"),
    **dict.fromkeys(("£", "pound", "pounds"), "gbp"),
    **dict.fromkeys(("¥", "yen"), "jpy"),
}
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
        ton tons tonne tonnes
        litre litres liter liters
        gallon gallons
        degree degrees
        mph
        kph""".splitlines()
    for word in names.split()
}
KINDS = frozenset(MEASURES.values())
UNITS |= MEASURES
PARTS = {"third": 3, "quarter": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10}
SHARES = {"1/2": "50 %", "1/4": "25 %", "3/4": "75 %", "1/5": "20 %", "2/5": "40 %", "3/5": "60 %", "4/5": "80 %"}
