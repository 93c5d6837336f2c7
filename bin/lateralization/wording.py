"""How numbers are written in figures and in the report."""

import math

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
MINUS = "\N{MINUS SIGN}"


def signed(value: float, digits: int = 4) -> str:
    """Write a difference with its sign: ``+0.0123``, ``−0.0123``."""
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return (MINUS if value < 0 else "+") + text


def number(value: float, digits: int = 3) -> str:
    """Write a number with a real minus sign, to significant digits."""
    if not math.isfinite(value):
        return ""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}".replace("-", MINUS)
    if abs(value) < 1e-4 or abs(value) >= 1e6:
        mantissa, exponent = f"{value:.{max(digits - 2, 1)}e}".split("e")
        return f"{mantissa} × 10{str(int(exponent)).translate(_SUPERSCRIPTS)}".replace("-", MINUS)
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    return f"{value:.{decimals}f}".replace("-", MINUS)


def p_value(p: float) -> str:
    """Write a p value: ``p = 0.012``, ``p = 1.8 × 10⁻¹⁰``."""
    if not math.isfinite(p):
        return ""
    text = f"p = {number(p, 2) if p < 1 else '1'}" if p > 0 else "p < 10⁻³⁰⁰"
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def size(n_parameters: float) -> str:
    """Write a number of parameters: ``124M``, ``1.6B``."""
    if not math.isfinite(n_parameters) or n_parameters <= 0:
        return "–"
    for unit, name in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if n_parameters >= unit * 0.9995:
            return f"{n_parameters / unit:.3g}{name}"
    return f"{n_parameters:.0f}"


def percent(share: float, digits: int = 1) -> str:
    """Write a share: ``14.7 %``, ``−0.3 %``."""
    rounded = round(100 * share, digits) + 0.0  # no minus before a zero
    return f"{rounded:.{digits}f} %".replace("-", MINUS)


def interval(low: float, high: float, digits: int = 4) -> str:
    """Write the limits of a 95 % interval of a difference."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return "no interval"
    return f"95 % interval {signed(low, digits)} to {signed(high, digits)}"


def plural(n: int, word: str) -> str:
    """Write a count with its noun: ``1 model``, ``28 models``, ``3 families``."""
    many = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{n:,} {word if n == 1 else many}"
