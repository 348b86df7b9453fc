"""Extended JSON v2 by the driver's own `bson.json_util`, with what it lets pass made an error.

It would keep the last of two fields of one name, take 1e400 for infinity, and put the fields of a reference in another
order. An error names the place and never a value.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

import bson
from bson import json_util
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.json_util import JSONMode, JSONOptions

Fields = dict[str, Any]

# Dates as milliseconds, since Python's own end before the server's do; binary data of any subtype as it is.
CODEC: CodecOptions[Fields] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)
_FORGIVING: CodecOptions[Fields] = CODEC.with_options(unicode_decode_error_handler="replace")

_READING = JSONOptions(tz_aware=False, datetime_conversion=DatetimeConversion.DATETIME_MS)
_WRITING = {
    canonical: JSONOptions(json_mode=JSONMode.CANONICAL if canonical else JSONMode.RELAXED)
    for canonical in (True, False)
}

# A stored field with such a name could be taken for a type when the text is read again.
_WRAPPERS = (
    b"oid|symbol|numberInt|numberLong|numberDouble|numberDecimal|binary|uuid|code|scope|timestamp|regularExpression"
    b"|dbPointer|date|minKey|maxKey|undefined|regex|type"
)
_WRAPPER_NAME = re.compile(rb"[\x01-\x13\x7f\xff]\$(?:" + _WRAPPERS + rb")\0")


class TextError(Exception):
    """A text is no document in Extended JSON; `line` and `column` count from 1 within the text, 0 where unknown."""

    def __init__(self, reason: str, line: int = 0, column: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
        self.column = column


class _FieldError(ValueError):
    """Something inside is wrong in a way that JSON itself does not mind."""


def parse(data: bytes | str) -> Fields:
    """The document that a text holds. Raises TextError."""
    text = _decoded(data) if isinstance(data, bytes) else data
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise TextError(_sentence(error), error.lineno, error.colno) from None
    except RecursionError:
        raise TextError("it is nested too deeply") from None
    except _FieldError as error:
        raise TextError(str(error)) from None
    except ValueError as error:  # Python's guard against numbers of thousands of digits
        raise TextError("a number has too many digits") from error
    if not isinstance(value, dict):
        raise TextError("it is no document: a document stands in { and }")
    return value


def encode(fields: Fields) -> bytes:
    """A document as BSON. Raises TextError for what BSON cannot hold."""
    try:
        return bson.encode(fields, codec_options=CODEC)
    except OverflowError:
        raise TextError(
            'a whole number is beyond 64 bits: write {"$numberDecimal": "..."} for it, or {"$numberDouble": "..."}'
        ) from None
    except RecursionError:
        raise TextError("it is nested too deeply") from None
    except UnicodeEncodeError:
        raise TextError("a string holds half of a surrogate pair (\\ud800 to \\udfff), which is no character") from None
    except bson.errors.BSONError as error:
        nul = "null" in str(error).lower()
        raise TextError("a field's name holds a null character" if nul else "BSON cannot hold a value of it") from error


def decode(raw: bytes) -> Fields:
    """The fields of a BSON document. Raises TextError when it is damaged."""
    try:
        return bson.decode(raw, codec_options=CODEC)
    except RecursionError:
        raise TextError("it is nested too deeply") from None
    except (bson.errors.BSONError, UnicodeDecodeError) as error:
        raise TextError("it is damaged: no valid BSON") from error


def decode_for_text(raw: bytes) -> tuple[Fields, bool]:
    """The fields of a stored document, and whether a text can say exactly what is stored.

    It cannot for types that are gone (symbol, undefined, DBPointer), for a field that is there twice, for strings that
    are no UTF-8, and for stored fields that are named like Extended JSON's own.
    """
    try:
        fields = bson.decode(raw, codec_options=CODEC)
    except (bson.errors.BSONError, UnicodeDecodeError):
        return bson.decode(raw, codec_options=_FORGIVING), False
    try:
        exact = bson.encode(fields, codec_options=CODEC) == raw
        if exact and _WRAPPER_NAME.search(raw):
            exact = encode(parse(json_util.dumps(fields, json_options=_WRITING[True]))) == raw
    except (bson.errors.BSONError, UnicodeEncodeError, TextError):
        exact = False
    return fields, exact


def writer(*, canonical: bool, pretty: bool = False) -> Callable[[Any], str]:
    """The function that writes a value: relaxed, where numbers look like numbers, or canonical, with all types."""
    options = _WRITING[canonical]
    layout: dict[str, Any] = {"indent": 2} if pretty else {"separators": (",", ":")}
    return lambda value: json_util.dumps(value, json_options=options, ensure_ascii=False, **layout)


def value_of(text: str) -> Any:
    """Any value, not only a document, in Extended JSON. Raises TextError."""
    return parse(f'{{"v":{text}}}')["v"]


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - (before.rfind(b"\n") + 1) + 1
        raise TextError("it is not UTF-8: convert the file with `iconv -t utf-8`", line, column) from None


def _sentence(error: json.JSONDecodeError) -> str:
    said = error.msg[0].lower() + error.msg[1:]
    return f"it is no JSON: {said}"


def _hook(pairs: list[tuple[str, Any]]) -> Any:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _FieldError(f"the field {twice!r} is there twice: leave one of them out")
    for name in fields:
        # A reference stays the document that it is, with its fields in their order.
        if name[:1] == "$" and "$ref" not in fields:
            return _typed(fields, name)
    return fields


def _typed(fields: Fields, name: str) -> Any:
    try:
        value = json_util.object_hook(fields, _READING)
    except Exception as error:  # of many kinds, which quote the value
        raise _FieldError(f"{name} has a value that it cannot have") from error
    if "$numberInt" in fields and not -(2**31) <= value < 2**31:
        raise _FieldError("$numberInt is beyond 32 bits: write $numberLong")
    if "$numberLong" in fields and not -(2**63) <= value < 2**63:
        raise _FieldError("$numberLong is beyond 64 bits: write $numberDecimal")
    return value


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _FieldError('a number is too large for a double: write {"$numberDecimal": "..."} for it')
    return value


def _constant(text: str) -> Any:
    raise _FieldError(f'{text} is no JSON: write {{"$numberDouble": "{text}"}}')


_DECODER = json.JSONDecoder(object_pairs_hook=_hook, parse_float=_float, parse_constant=_constant)
