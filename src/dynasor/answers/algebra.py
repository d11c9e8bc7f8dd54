"""Canonical keys of formulas. Only the worker process imports this; see worker.py for why.

The parser is math-verify's (package latex2sympy2_extended, an ANTLR grammar that builds sympy objects). What
that package offers beside it is left alone: math_verify.parse hands plain expressions to sympy's parse_expr,
which evaluates Python, and sympy itself does so when it is handed a string (the parser hands it the digits of
a number). So ``warm_up`` puts a reader of numbers in the place of parse_expr, for good.

A formula's key is its *value*: a number's is the number, exactly if rational, else to 30 digits; one with
variables is computed at fixed points that depend on the variables' names only, and equal values there mean
equal formulas, up to a chance like that of a hash. Simplification would give no canonical form (sympy's
depends on how the formula was written), and this is also faster.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from hashlib import blake2b
from typing import Any

import mpmath
import sympy
import sympy.parsing.sympy_parser
import sympy.physics.units
from latex2sympy2_extended import NormalizationConfig, latex2sympy, latex2sympy2, normalize_latex
from sympy.core.function import AppliedUndef
from sympy.core.relational import Relational
from sympy.logic.boolalg import And, Boolean

from dynasor.answers.keys import number_key
from dynasor.answers.latex import as_latex
from dynasor.answers.numbers import MAX_EXPONENT
from dynasor.answers.spelling import bounded, word_key

Formula = Any
"""A sympy object; the library is not typed."""

NORMALIZATION = NormalizationConfig(
    basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none", equations=False
)
"""Without units: its list takes the ``t`` off ``5t`` and the ``c`` off ``x + c``."""

MAX_BITS = 20_000
"""Formulas whose exact value might need more are refused before anything is computed."""
SCALES = (0.5, 0.7, 7, 9, 80, 60)
"""The size of the points; neighbours have opposite signs. |x - 5| and 5 - x differ only beyond 5."""
DIGITS, POINT_DIGITS = 30, 20
_LITERAL = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE](?P<exponent>[+-]?\d{1,9}))?", re.ASCII)
_INVERSE = {">": "<", ">=": "<="}


class Unreadable(Exception):
    """The formula has no canonical key here."""


def warm_up() -> None:
    """Make sure that no text is ever evaluated as Python, then load what the first question would.

    Sympy parses strings of its own while it loads its units, so these are imported before.
    """
    for module in (sympy.parsing.sympy_parser, latex2sympy2, sympy.parsing):
        for name in ("parse_expr", "eval_expr"):
            if hasattr(module, name):
                setattr(module, name, _literal)
    for text in (r"x^2 + \frac{\sqrt{2}}{2}", "x > 5"):
        canonical_key(text)


def _literal(text: str, *arguments: object, **options: object) -> Formula:
    """What stands in for parse_expr: reads a number, exactly, and nothing else."""
    found = _LITERAL.fullmatch(text)
    if not found or abs(int(found["exponent"] or 0)) > MAX_EXPONENT:
        raise Unreadable("text is not evaluated")
    value = Fraction(text)
    return sympy.Rational(value.numerator, value.denominator)


def canonical_key(text: str) -> str | None:
    """The key of a bare answer; None if it is not a formula that can be read. Any exception means the same."""
    latex = normalize_latex(as_latex(text), NORMALIZATION)
    try:
        kind, _, content = _key(latex2sympy(latex, is_real=True, normalization_config=None)).partition(":")
    except Unreadable:
        return None
    return bounded(kind, content)


def _key(formula: Formula) -> str:
    """The key of whatever the parser made of an answer."""
    if isinstance(formula, sympy.MatrixBase):
        return f"matrix:{formula.shape}:" + ",".join(_key(entry) for entry in formula.flat())
    if isinstance(formula, sympy.Tuple):
        return "tuple:(" + ",".join(_key(part) for part in formula) + ")"
    if isinstance(formula, sympy.Set):
        return _set_key(formula)
    if isinstance(formula, Relational):
        return _relation_key(formula)
    if isinstance(formula, And):
        return _chain_key(formula)
    if isinstance(formula, sympy.Expr):
        return _value_key(formula)
    raise Unreadable(f"{type(formula).__name__} is not an answer")


def _set_key(formula: Formula) -> str:
    if formula == sympy.S.Reals:
        return "set:reals"
    if isinstance(formula, sympy.FiniteSet):
        return _finite_set_key(list(formula.args))
    if isinstance(formula, sympy.Interval):
        opening, closing = "[("[bool(formula.left_open)], "])"[bool(formula.right_open)]
        # an open interval looks like a point of the plane, so these two share a kind
        return f"tuple:{opening}{_key(formula.start)},{_key(formula.end)}{closing}"
    if formula.doit() != formula:
        return _set_key(formula.doit())
    if isinstance(formula, sympy.Union):
        return "union:" + ",".join(sorted(_key(part) for part in formula.args))
    return f"set:{sympy.srepr(formula)}"


def _finite_set_key(elements: list[Formula]) -> str:
    """Order-free; {5} is 5, and ``x = 1, y = 2`` is the point (1, 2)."""
    names = [element.lhs.name if _is_assignment(element, sympy.Symbol) else None for element in elements]
    if len(elements) > 1 and None not in names and len(set(names)) == len(names):
        ordered = sorted(elements, key=lambda element: str(element.lhs.name))
        return "tuple:(" + ",".join(_key(element.rhs) for element in ordered) + ")"
    keys = sorted({_key(element) for element in elements})
    return keys[0] if len(keys) == 1 else "set:{" + ",".join(keys) + "}"


def _is_assignment(formula: Formula, named: Any = (sympy.Symbol, AppliedUndef, sympy.Tuple)) -> bool:
    """Whether a formula names something and says what it is: ``x = 5``, ``f(x) = 2x``, ``(x, y) = (1, 2)``."""
    if not isinstance(formula, sympy.Eq) or not isinstance(formula.lhs, named):
        return False
    names = {formula.lhs} if isinstance(formula.lhs, sympy.Symbol) else set(formula.lhs.atoms(AppliedUndef))
    return not any(formula.rhs.has(name) for name in names)


def _relation_key(relation: Formula) -> str:
    """An assignment is its right side; an equation does not care for factors and sides; an inequality in one
    variable is the set of its solutions."""
    if _is_assignment(relation):
        return _key(relation.rhs)
    if isinstance(relation, sympy.Eq) and isinstance(relation.rhs, sympy.Symbol) and not relation.lhs.free_symbols:
        return _key(relation.lhs)
    left, right = _settled(relation.lhs), _settled(relation.rhs)
    if isinstance(relation, (sympy.Eq, sympy.Ne)):
        return f"{relation.rel_op}:{_direction_key(left - right)}"
    if len(relation.free_symbols) == 1:
        return _key_of_solutions(relation.func(left, right))
    if relation.rel_op in _INVERSE:
        left, right = right, left
    return f"{_INVERSE.get(relation.rel_op, relation.rel_op)}:{_direction_key(left - right, signed=True)}"


def _chain_key(chain: Formula) -> str:
    """``A = 2 \\cdot 3 = 6`` is 6; ``1 < x < 3`` is the open interval."""
    links = list(getattr(chain, "_unsorted_args", chain.args))
    if all(isinstance(link, sympy.Eq) for link in links):
        return _key(links[-1].rhs)
    if len(chain.free_symbols) == 1:
        return _key_of_solutions(And(*(link.func(_settled(link.lhs), _settled(link.rhs)) for link in links)))
    return "and:" + ",".join(sorted(_key(link) for link in links))


def _key_of_solutions(condition: Formula) -> str:
    if not isinstance(condition, Boolean) or condition in (sympy.true, sympy.false):
        raise Unreadable("a statement is not an answer")
    return _key(condition.as_set())


def _value_key(expression: Formula) -> str:
    """The key of a number or a formula by its value."""
    settled = _settled(expression)
    if settled.is_Rational:
        return number_key(Fraction(int(settled.p), int(settled.q)))
    if settled in (sympy.oo, -sympy.oo):
        return f"number:{settled}"
    symbols = sorted(settled.free_symbols, key=lambda symbol: str(symbol.name))
    values = [_value(settled, index) for index in range(len(SCALES) if symbols else 1)]
    for symbol in symbols:
        if values == [_value(symbol, index) for index in range(len(SCALES))]:
            return word_key(symbol.name)
    written = [_written(value, POINT_DIGITS) for value in values]
    return _number_key(values[0]) if len(set(written)) == 1 else "formula:" + " ".join(written)


def _direction_key(expression: Formula, *, signed: bool = False) -> str:
    """Equal for formulas that differ by a constant factor only (a positive one if ``signed``)."""
    values = [_value(expression, index) for index in range(len(SCALES))]
    unit = next((value for value in values if abs(value) > mpmath.mpf(10) ** -25), None)
    if unit is None:
        raise Unreadable("a statement is not an answer")
    return " ".join(_written(value / (abs(unit) if signed else unit), POINT_DIGITS) for value in values)


def _settled(expression: Formula) -> Formula:
    """The expression with decimals exact, names plain and what the parser left undone done."""
    if _bits(expression) > MAX_BITS:
        raise Unreadable("too large to compute")
    exact = {number: sympy.Rational(str(number)) for number in expression.atoms(sympy.Float)}
    calls = {call: sympy.Symbol(str(call), real=True) for call in expression.atoms(AppliedUndef)}
    constants = {symbol: sympy.I for symbol in expression.free_symbols if symbol.name == "i"}
    settled = expression.xreplace(exact | calls | constants).doit()
    if _bits(settled) > MAX_BITS or settled.has(sympy.nan, sympy.zoo):
        raise Unreadable("no value")
    return settled


def _bits(expression: Formula) -> float:
    """An upper estimate of the size of the exact numbers that computing an expression would make."""
    if expression.is_Float:
        return float(abs(expression._mpf_[2]) + expression._mpf_[3])
    if expression.is_Rational:
        return float(int(expression.p).bit_length() + int(expression.q).bit_length())
    sizes = [_bits(argument) for argument in expression.args]
    if any(size > MAX_BITS for size in sizes):
        return float("inf")
    if isinstance(expression, (sympy.Pow, sympy.exp)):
        base, exponent = expression.as_base_exp()
        power: float = abs(complex(exponent.evalf(5))) if exponent.is_number else 100.0
        return max(_bits(base), 1.0) * max(power, 1.0)
    if isinstance(expression, (sympy.factorial, sympy.gamma, sympy.factorial2)):
        return 10 * math.exp2(min(sizes[0], 64))
    return sum(sizes) + 1.0


def _value(expression: Formula, index: int) -> Any:
    """The value at a point, as an mpmath number."""
    points = {symbol: _point(symbol.name, index) for symbol in expression.free_symbols}
    value = expression.evalf(DIGITS + 20, subs=points, maxn=300, chop=True)
    real, imaginary = value.as_real_imag()
    if not (real.is_Float or real.is_Rational) or not (imaginary.is_Float or imaginary.is_Rational):
        raise Unreadable("no value")
    with mpmath.workdps(DIGITS + 20):
        return mpmath.mpc(_multiprecision(real), _multiprecision(imaginary))


def _multiprecision(number: Formula) -> Any:
    return mpmath.mpf(number.p) / number.q if number.is_Rational else mpmath.make_mpf(number._mpf_)


def _point(name: str, index: int) -> Formula:
    """A fixed rational number for a variable: of the size that ``index`` asks for, both signs among the indices."""
    digest = int.from_bytes(blake2b(f"{name}|{index}".encode(), digest_size=8).digest())
    sign = 1 if (index + int.from_bytes(blake2b(name.encode(), digest_size=1).digest())) % 2 else -1
    return sign * sympy.Rational(SCALES[index]) * (1 + sympy.Rational(digest % 10**9, 10**9 + 7))


def _number_key(value: Any) -> str:
    with mpmath.workdps(DIGITS + 20):
        if not value.imag and (exact := _recognised(value.real)) is not None:
            return number_key(exact)
    return f"number:{_written(value, DIGITS)}"


def _recognised(real: Any) -> Fraction | None:
    """The simple fraction that a number is to 40 digits, if there is one: (1 + √5)(1 - √5) is -4."""
    near = Fraction(mpmath.nstr(real, DIGITS + 15)).limit_denominator(10**9)
    return near if abs(real - mpmath.mpf(near.numerator) / near.denominator) < mpmath.mpf(10) ** -40 else None


def _written(value: Any, digits: int) -> str:
    """The number to so many digits, with what is zero but for rounding as zero."""
    parts = []
    for part in (value.real, value.imag):
        negligible = abs(part) <= abs(value) * mpmath.mpf(10) ** (-digits - 5) or abs(part) < mpmath.mpf(10) ** -30
        parts.append("0" if negligible else mpmath.nstr(part, digits, strip_zeros=True))
    return parts[0] if parts[1] == "0" else f"{parts[0]}+{parts[1]}i"
