"""Numbers and names as a reader sees them: digits in line with the interval, and no character that a terminal obeys."""

from __future__ import annotations

import re
from decimal import Decimal

DIGITS = 4  # significant digits of a value without an interval
INTERVAL_DIGITS = 2  # significant digits of the half-width
FINEST = Decimal("1e-6")  # a half-width below this part of the value gets its own exponent

# Control characters, lone surrogates, and the marks that turn the direction of text.
UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")

UNSAFE_IN_LINES = re.compile(r"(?![\t\n])" + UNSAFE.pattern.removesuffix("+"))


def clean(text: str) -> str:
    """One line of text that is safe to print: control characters and marks of direction become a space."""
    return UNSAFE.sub(" ", text).strip()


def clean_lines(text: str) -> str:
    """The same for a text of several lines, which it keeps, each with its length."""
    return UNSAFE_IN_LINES.sub(" ", text)


def named(text: str) -> str:
    """A name as a reader sees it: one safe line, and "(no name)" where nothing is left of it, so that a link has a text."""
    return clean(text) or "(no name)"


def value_and_half(value: float | None, half: float | None) -> tuple[str, str]:
    """A value and the half-width of its interval as text: ("0.0312", "0.0041").

    The half-width has 2 significant digits and the value as many decimals. Without a half-width the value has 4 significant digits,
    a whole number none after the point, and the second text is empty; without a value both are.
    """
    if value is None:
        return "", ""
    if half is None:
        return number(value), ""
    if half == 0:
        return number(value), "0"
    exact, width = Decimal(repr(value)), Decimal(f"{half:.{INTERVAL_DIGITS - 1}e}")
    if width < FINEST * abs(exact):
        return number(value, digits=7), f"{half:.{INTERVAL_DIGITS - 1}e}"
    last = Decimal(1).scaleb(width.adjusted() - (INTERVAL_DIGITS - 1))
    top = max(exact, width, key=abs).quantize(last).adjusted()  # 9.98 ± 4.3 becomes 10.0
    if not -4 <= top < 6:
        decimals = max(0, INTERVAL_DIGITS - 1 - width.adjusted() + top)
        return _scientific(exact, top, decimals), _scientific(width, top, decimals)
    decimals = max(0, INTERVAL_DIGITS - 1 - width.adjusted())
    return _fixed(exact, decimals), _fixed(width, decimals)


def number(value: float, digits: int = DIGITS) -> str:
    """A number of `digits` significant digits, whole numbers below a million as they are: "8", "12.35", "1.235e+08"."""
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    rounded = Decimal(f"{value:.{digits - 1}e}")
    if not -4 <= rounded.adjusted() < 6:
        return f"{value:.{digits - 1}e}"
    return _fixed(rounded, max(0, digits - 1 - rounded.adjusted()))


def _fixed(value: Decimal, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text


def _scientific(value: Decimal, exponent: int, decimals: int) -> str:
    return f"{_fixed(value.scaleb(-exponent), decimals)}e{exponent:+03d}"


def seconds(value: float | None) -> str:
    """Seconds in three significant digits, whole ones from 100 on: "0.0213", "4.20", "1,234"."""
    if value is None:
        return ""
    return f"{value:,.0f}" if 100 <= value < 1e6 else number(value, digits=3)


def amount(value: float | None) -> str:
    """A count or a rate in three digits with k, M or G: "842", "12.3 k", "1.25 M"."""
    if value is None:
        return ""
    for factor, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= 0.9995 * factor:
            return f"{value / factor:.3g}{unit}"
    return f"{value:.3g}"


def size(count: float | None) -> str:
    """Bytes in three digits with binary units: "812 MiB", "3.41 GiB"."""
    if count is None:
        return ""
    for factor, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if count >= factor:
            return f"{number(count / factor, 3)} {unit}"
    return f"{number(count, 3)} B"
