r"""Reading a number exactly: ``1,234.50``, ``-\frac{3}{4}``, ``2 1/2``, ``50%``, ``3 \times 10^8``, ``$5 million``.

Exact rational arithmetic throughout. Rounding would make equality depend on who is compared with whom:
0.333 would equal 1/3 and 0.3333 but these not each other.
"""

from __future__ import annotations

import re
from fractions import Fraction

from dynasor.answers.spelling import without_text_commands

MAX_DIGITS = 1000
MAX_EXPONENT = 1000

_SCALES = {"dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}

_CHANGING = """
and or to than of pi sqrt sin cos tan cot sec csc log ln exp infinity mod am pm bc ad bce ce noon midnight
half halves third thirds quarter quarters fourth fourths fifth fifths sixth sixths eighth eighths tenth tenths
hundredth hundredths thousandth thousandths hundreds thousands millions billions trillions dozens score
times plus minus over divided multiplied choose remainder factorial squared cubed root
alpha beta gamma delta theta lambda mu sigma omega phi
"""
_NOT_UNITS = frozenset(_CHANGING.split())
"""Words after a number that change what it is, so they are not its unit."""

_DECIMAL = r"(?:(?:\d{1,3}(?:,\d{3})++|\d++)(?:\.\d*+)?|\.\d++)"
_CORE = rf"""(?:
    (?P<whole>\d++)(?:\s+|(?=\\))(?:(?P<part_top>\d++)\s*/\s*(?P<part_bottom>\d++)|\\frac\{{(?P<part_t>\d++)\}}\{{(?P<part_b>\d++)\}})
  | (?P<repeating>\d++\.\d*+)\\overline\s*\{{(?P<period>\d++)\}}
  | (?P<mantissa>{_DECIMAL})(?:[eE]|\s*(?:\\times|\\cdot|\u00d7|\*|x)\s*10\s*\^\s*)\{{?(?P<exponent>[+-]?\d{{1,5}})\}}?
  | 10\s*\^\s*\{{?(?P<power>[+-]?\d{{1,5}})\}}?
  | (?P<top>{_DECIMAL})\s*/\s*(?P<bottom>{_DECIMAL})
  | \\frac\s*\{{\s*(?P<frac_top>-?{_DECIMAL})\s*\}}\s*\{{\s*(?P<frac_bottom>-?{_DECIMAL})\s*\}}
  | \\frac\s*(?P<digit_top>\d)(?P<digit_bottom>\d)
  | (?P<plain>{_DECIMAL})
)"""
_UNIT_SYMBOLS = "cm|mm|km|kg|mg|ml|mL|mph|kph|ft|in|lbs?|oz|hrs?|sec|min|mi|m|g|s|h|l|L"
_UNIT_SYMBOLS_TOGETHER = "cm|mm|km|kg|mg|mL|mph|kph|ft|lbs|hrs"
"""Those that may follow a number without a space; "5m" and "5in" may be products."""
_UNIT = rf"""(?:
    (?:{_UNIT_SYMBOLS_TOGETHER})(?![A-Za-z])
  | \s+(?:[A-Za-z]{{3,20}}|{_UNIT_SYMBOLS})(?![A-Za-z])(?:[ /][A-Za-z]{{1,20}}){{0,3}}
)"""
_NUMBER = re.compile(
    rf"""(?:[A-Za-z](?:_\{{?\w{{1,3}}\}}?)?\s*=\s*)?        # x = 5 is 5
    (?P<sign>[+-]?)\s*(?:[$€£¥₹]\s*)?(?P<inner_sign>[+-]?)\s*
    {_CORE}
    \s*(?:\^\s*\{{?\\circ\}}?|\\circ|\\degree|°)?(?:(?<![\d.])[CF]\b)?
    \s*(?P<percent>%|percent\b|percentage\b|pct\b)?
    (?:\s+(?P<scale>{"|".join(_SCALES)})\b)?
    (?P<unit>{_UNIT})?
    \s*(?P<unit_power>\^\s*\{{?[23]\}}?|[²³])?""",
    re.VERBOSE | re.ASCII,
)
_DATE_OR_TIME = re.compile(r"\d{1,4}([/.-])\d{1,2}\1\d{1,4}|\d{1,2}:\d{2}(:\d{2})?(?:\s*[AaPp]\.?[Mm]\.?)?")


def rational(text: str) -> Fraction | None:
    """The number that a bare answer is, or None if it is not just one number, or too long a one.

    A percentage is its hundredth part, units and currencies are dropped, a mixed number needs a proper
    fraction. Dates and clock times are not divisions.
    """
    text = without_text_commands(text)
    found = _NUMBER.fullmatch(text) if sum(map(str.isdecimal, text)) <= MAX_DIGITS else None
    if not found or not _has_just_a_unit(found) or (found["sign"] and found["inner_sign"]):
        return None
    value = _magnitude(found)
    if value is None:
        return None
    value *= _SCALES.get(found["scale"] or "", 1)
    value /= 100 if found["percent"] else 1
    return -value if "-" in (found["sign"], found["inner_sign"]) else value


def _has_just_a_unit(found: re.Match[str]) -> bool:
    unit = (found["unit"] or "").casefold()
    if found["unit_power"] and not unit:
        return False
    return _NOT_UNITS.isdisjoint(re.split(r"[ /]+", unit))


def _magnitude(found: re.Match[str]) -> Fraction | None:
    """The number without its sign and what comes after it; None for a division by zero or a huge power."""
    if found["plain"]:
        return _decimal(found["plain"])
    if found["whole"]:
        part = _quotient(found["part_top"] or found["part_t"], found["part_bottom"] or found["part_b"])
        return int(found["whole"]) + part if part is not None and part < 1 else None
    if found["repeating"]:
        return _repeating(found["repeating"], found["period"])
    if power := found["exponent"] or found["power"]:
        mantissa = _decimal(found["mantissa"] or "1")
        return mantissa * Fraction(10) ** int(power) if abs(int(power)) <= MAX_EXPONENT else None
    top = found["top"] or found["frac_top"] or found["digit_top"]
    return _quotient(top, found["bottom"] or found["frac_bottom"] or found["digit_bottom"])


def _decimal(text: str) -> Fraction:
    return Fraction(text.replace(",", "").removesuffix("."))


def _quotient(top: str, bottom: str) -> Fraction | None:
    divisor = _decimal(bottom)
    return _decimal(top) / divisor if divisor else None


def _repeating(start: str, period: str) -> Fraction:
    r"""``0.1\overline{6}``: what stands before the period, and the period as a geometric series."""
    places = len(start.partition(".")[2])
    return _decimal(start) + Fraction(int(period), (10 ** len(period) - 1) * 10**places)


def is_date_or_time(text: str) -> bool:
    return _DATE_OR_TIME.fullmatch(text) is not None
