"""Documents of every BSON type, made by hypothesis."""

from __future__ import annotations

import re
from typing import Any

from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS
from hypothesis import strategies as st

_WRAPPERS = re.compile(
    r"\$(oid|symbol|number\w+|binary|uuid|code|scope|timestamp|regularExpression|dbPointer|date|minKey|maxKey|undefined"
    r"|regex|type|ref|id|db|options)"
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = TEXT.filter(lambda name: "\0" not in name and not _WRAPPERS.fullmatch(name))
INT32 = st.integers(-(2**31), 2**31 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1)
TIMESTAMPS = st.builds(Timestamp, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
PATTERNS = TEXT.filter(lambda text: "\0" not in text)
DECIMALS = st.builds(Decimal128, st.decimals(allow_nan=False, places=3, min_value=-1000, max_value=1000))

PLAIN: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | TEXT
    | INT32
    | st.floats(allow_nan=False)
    | st.binary(min_size=12, max_size=12).map(ObjectId)
    | INT64.map(DatetimeMS)
    | st.builds(Binary, st.binary(max_size=16), st.integers(0, 255).filter(lambda subtype: subtype != 2))
    | DECIMALS
    | TIMESTAMPS
    | st.builds(Regex, PATTERNS, st.sampled_from(["", "i", "imsx"]).map(lambda flags: _flags(flags)))
    | TEXT.map(Code)
    | st.builds(lambda text: Code(text, {"x": 1}), TEXT)
    | st.just(MinKey())
    | st.just(MaxKey())
)
LARGE = INT64.filter(lambda value: not -(2**31) <= value < 2**31).map(Int64)
SMALL_LONG = INT32.map(Int64)


def _flags(letters: str) -> int:
    return sum({"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}[one] for one in letters)


def _documents(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    nested = st.recursive(
        values,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
        max_leaves=12,
    )
    return st.dictionaries(NAMES.filter(lambda name: name != "_id"), nested, max_size=6)


DOCUMENTS = _documents(PLAIN | LARGE | SMALL_LONG)
NUMBERS_OF_ONE_TYPE = _documents(PLAIN | LARGE)
