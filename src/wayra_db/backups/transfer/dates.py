"""The three ways in which mongoimport lets a column's date be described, as Python's own. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

_GO = {
    "January": "%B",
    "Jan": "%b",
    "Monday": "%A",
    "Mon": "%a",
    "2006": "%Y",
    "-07:00": "%z",
    "Z07:00": "%z",
    "-0700": "%z",
    "MST": "%Z",
    ".000": ".%f",
    "06": "%y",
    "01": "%m",
    "02": "%d",
    "15": "%H",
    "03": "%I",
    "04": "%M",
    "05": "%S",
    "PM": "%p",
    "1": "%m",
    "2": "%d",
    "3": "%I",
    "4": "%M",
    "5": "%S",
}
_MICROSOFT = {
    "yyyy": "%Y",
    "yy": "%y",
    "MMMM": "%B",
    "MMM": "%b",
    "MM": "%m",
    "M": "%m",
    "dddd": "%A",
    "ddd": "%a",
    "dd": "%d",
    "d": "%d",
    "HH": "%H",
    "H": "%H",
    "hh": "%I",
    "h": "%I",
    "mm": "%M",
    "m": "%M",
    "ss": "%S",
    "s": "%S",
    "fff": "%f",
    "tt": "%p",
    "zzz": "%z",
}
_ORACLE = {
    "YYYY": "%Y",
    "YY": "%y",
    "MONTH": "%B",
    "MON": "%b",
    "MM": "%m",
    "DD": "%d",
    "HH24": "%H",
    "HH12": "%I",
    "HH": "%I",
    "MI": "%M",
    "SS": "%S",
    "FF3": "%f",
    "AM": "%p",
    "PM": "%p",
    "TZH:TZM": "%z",
    "DAY": "%A",
    "DY": "%a",
}
LAYOUTS: Mapping[str, Mapping[str, str]] = {"date": _GO, "date_go": _GO, "date_ms": _MICROSOFT, "date_oracle": _ORACLE}


def python_layout(kind: str, layout: str) -> str:
    """A layout in the words of `kind` as one of strptime: `date_ms(yyyy-MM-dd)` → `%Y-%m-%d`."""
    words = LAYOUTS[kind]
    longest_first = sorted(words, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, longest_first)))
    return pattern.sub(lambda found: words[found.group()], layout.replace("%", "%%"))


def parse_date(text: str, layout: str) -> datetime:
    """A moment in UTC; without a layout by ISO 8601. Raises ValueError."""
    moment = datetime.strptime(text, layout) if layout else datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
