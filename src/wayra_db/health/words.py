"""Times and sizes in words, for findings. Pure."""

from __future__ import annotations


def span(seconds: float) -> str:
    """A time for people: 40 s, 12 min, 3.4 h, 8 days."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"


def size(number: float) -> str:
    """Bytes for people: 812 B, 4.2 kB, 1.3 GB."""
    sign, number = "-" if number < 0 else "", abs(number)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{sign}{number:.0f} {unit}" if unit == "B" or number >= 100 else f"{sign}{number:.1f} {unit}"
        number /= 1000
    return f"{sign}{number:.1f} TB"
