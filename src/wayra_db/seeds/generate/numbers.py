"""Which numbers a schema lets in, as a lattice: `(low + k) / scale * factor` for a k from 0 to `steps`. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from wayra_db.seeds.generate.conforms import number
from wayra_db.seeds.generate.model import Lattice, NumberType
from wayra_db.seeds.generate.unsupported import UnsupportedError

# Where a declaration says no bounds, or bounds for what is possible and not for what is usual.
_USUAL = 1000
_WIDE = 1_000_000
_WHOLE: Mapping[str, tuple[int, int]] = {"int": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}
_EXACT = 2**53
_SCALES = (100, 10_000, 1_000_000, 2**40, 2**52)


def lattice(schema: Mapping[str, Any], kind: NumberType, *, usual: bool = True) -> Lattice:
    """The numbers of a type that a schema lets in; with `usual`, out of a wide range those near zero.

    Raises UnsupportedError where there are none.
    """
    low, high = _bound(schema, "minimum"), _bound(schema, "maximum")
    least, most = _WHOLE.get(kind, (-_EXACT, _EXACT))
    bottom = Fraction(least) if low is None else max(low, Fraction(least))
    top = Fraction(most) if high is None else min(high, Fraction(most))
    if low is None and top >= 0:
        bottom = max(bottom, Fraction(0))
    if usual and top - bottom > _WIDE:
        bottom, top = _window(bottom, top)
    factor = _factor(schema, kind)
    for scale in (1,) if factor is not None or kind in _WHOLE else _SCALES:
        found = _within(bottom, top, scale, factor or Fraction(1), schema, low, high)
        if found is not None:
            return found
    raise UnsupportedError("minimum" if low is not None else "maximum", f"there is no {kind} within the bounds")


def _bound(schema: Mapping[str, Any], name: str) -> Fraction | None:
    value = number(schema.get(name))
    if value is None or not math.isfinite(value):
        return None
    return Fraction(value)


def _window(bottom: Fraction, top: Fraction) -> tuple[Fraction, Fraction]:
    """The part of a wide range that is nearest to zero."""
    if bottom > _USUAL:
        return bottom, bottom + _USUAL
    if top < -_USUAL:
        return top - _USUAL, top
    return max(bottom, Fraction(-_USUAL)), min(top, Fraction(_USUAL))


def _factor(schema: Mapping[str, Any], kind: str) -> Fraction | None:
    if "multipleOf" not in schema:
        return None
    factor = Fraction(number(schema["multipleOf"]) or 0)
    if kind in _WHOLE:
        return Fraction(factor.numerator) if factor.denominator <= 1024 else _refuse_factor(factor)
    # Only these have multiples that are doubles to the last digit, which is what the server asks for.
    return (
        factor
        if factor.denominator & (factor.denominator - 1) == 0 and factor.denominator <= 1024
        else _refuse_factor(factor)
    )


def _refuse_factor(factor: Fraction) -> Fraction:
    raise UnsupportedError(
        "multipleOf", f"{float(factor)} has no exact multiples; write a whole number, or 0.5, 0.25 and so on"
    )


def _within(
    bottom: Fraction,
    top: Fraction,
    scale: int,
    factor: Fraction,
    schema: Mapping[str, Any],
    low: Fraction | None,
    high: Fraction | None,
) -> Lattice | None:
    first, last = math.ceil(bottom * scale / factor), math.floor(top * scale / factor)
    step: int | float = int(factor) if factor.denominator == 1 else float(factor)

    def too_low(k: int) -> bool:
        value = Fraction(Lattice(k, 0, scale, step).at(0))
        return low is not None and (value < low or (bool(schema.get("exclusiveMinimum")) and value == low))

    def too_high(k: int) -> bool:
        value = Fraction(Lattice(k, 0, scale, step).at(0))
        return high is not None and (value > high or (bool(schema.get("exclusiveMaximum")) and value == high))

    # A division is rounded, by less than a step.
    while first <= last and too_low(first):
        first += 1
    while first <= last and too_high(last):
        last -= 1
    return Lattice(first, last - first, scale, step) if first <= last else None
