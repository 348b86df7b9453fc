"""Leaves sensitive values out of documents while they are read: the server takes them out, and equal ones stay equal.

The pipeline removes fields and puts constants in the place of values, whatever arrays they are in. Where a mask keeps
values apart (`Mask.EMAIL`, `Mask.TOKEN`), the constant is a placeholder of fixed width, and the values themselves come
beside the document; a keyed hash of each is then written over its placeholder. The key is random, of one backup, and
kept nowhere. So no document is decoded, and it works on every server, also where it runs no JavaScript.

Pure, but for the random key.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wayra_db.backups.batches import Run, elements
from wayra_db.backups.documents import DocumentError, split
from wayra_db.errors import ConfigError
from wayra_db.schema.mask import Mask

TEXT = "redacted"
DOMAIN = "@example.invalid"
TOKEN_WIDTH = 24

_HEAD = 7  # in {"d": <document>, "s": [...]}: the length, the type, "d" and a zero byte before the document
_ABSENT = ("missing", "null", "undefined")

Expression = Any
Pipeline = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Redaction:
    """How the documents of one collection are read: the pipeline, and the placeholders to fill afterwards."""

    pipeline: Pipeline = ()
    placeholders: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Masker:
    """The secret of one backup: the same value gives the same token in all of its collections."""

    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    nonce: str = field(default_factory=lambda: secrets.token_hex(10), repr=False)

    def redaction(self, masks: Mapping[str, Mask], *, literal_names: bool = True) -> Redaction:
        """How to read a collection with these sensitive paths. Raises ConfigError for a path that cannot be masked.

        With `literal_names`, which takes a server of 5.0, fields go as well whose own name is a dotted path.
        """
        for path, mask in masks.items():
            _require_maskable(path, mask)
        removed = sorted(path for path, mask in masks.items() if mask is Mask.REMOVE)
        replaced = {path: mask for path, mask in sorted(masks.items()) if mask is not Mask.REMOVE}
        cores = {
            path: f"{self.nonce}{number:04x}"
            for number, path in enumerate(path for path, mask in replaced.items() if mask.keeps_values_apart)
        }
        stages: list[Mapping[str, Any]] = []
        dotted = [path.split(".") for path in sorted(masks) if "." in path]
        if literal_names and dotted:
            stages.append({"$replaceWith": _without_literal_names(dotted, "$$ROOT", 0)})
        root, prefix = "$$ROOT", ""
        if cores:
            root, prefix = "$d", "d."
            values = [_values(path.split("."), f"$$ROOT.{path.split('.')[0]}", at_root=True) for path in cores]
            stages.append({"$replaceWith": {"d": "$$ROOT", "s": values}})
        for path, mask in replaced.items():
            first, *rest = path.split(".")
            constant = {Mask.TEXT: TEXT, Mask.EMAIL: cores.get(path, "") + DOMAIN}.get(mask, cores.get(path, ""))
            stages.append({"$set": {prefix + first: _masked(rest, f"{root}.{first}", constant, 0)}})
        if removed:
            stages.append({"$unset": [prefix + path for path in removed]})
        return Redaction(tuple(stages), tuple(core.encode() for core in cores.values()))

    def fill(self, run: Run, redaction: Redaction) -> Run:
        """The documents of a run with tokens in the place of the placeholders. Raises DocumentError."""
        if not redaction.placeholders:
            return run
        return Run(b"".join(self._filled(bytes(run.data), redaction.placeholders)), run.documents)

    def _filled(self, data: bytes, placeholders: Sequence[bytes]) -> Iterator[bytes]:
        for begin, _ in split(data):
            size = int.from_bytes(data[begin + _HEAD : begin + _HEAD + 4], "little")
            end = begin + _HEAD + size
            document = bytearray(data[begin + _HEAD : end])
            # Behind the document stands the array of arrays, as element "s".
            values = [list(elements(data, place)) for _, _, place, _ in elements(data, end + 3)]
            for placeholder, found in zip(placeholders, values, strict=True):
                position = 0
                for _, kind, value, value_end in found:
                    position = document.find(placeholder, position)
                    if position < 0:
                        raise DocumentError("a masked value has no place", begin)
                    document[position : position + TOKEN_WIDTH] = self._token(kind, data[value:value_end])
                    position += TOKEN_WIDTH
                if document.find(placeholder, position) >= 0:
                    raise DocumentError("a place has no masked value", begin)
            yield bytes(document)

    def _token(self, kind: int, value: bytes) -> bytes:
        digest = hashlib.blake2b(value, digest_size=TOKEN_WIDTH // 2, key=self.key, salt=bytes((kind,)))
        return digest.hexdigest().encode()


def _require_maskable(path: str, mask: Mask) -> None:
    steps = path.split(".")
    if any(not step or step.startswith("$") or "\0" in step for step in steps):
        raise ConfigError(
            f"the sensitive field {path!r} cannot be left out by the server: a part of its name is empty or begins "
            "with a dollar sign",
            key="sensitive",
            hint="Declare the field around it.",
        )
    if any(step.isdigit() for step in steps[1:]):
        raise ConfigError(
            f"the sensitive field {path!r} names a position in an array",
            key="sensitive",
            hint="Declare the array without the number: every element is then masked.",
        )
    if steps[0] == "_id" and not mask.keeps_values_apart:
        raise ConfigError(
            f"the sensitive field {path!r} is masked by {mask}, and documents would no longer differ in their _id",
            key="sensitive",
            hint=f"Use {Mask.TOKEN} or {Mask.EMAIL}.",
        )


def _masked(steps: Sequence[str], value: str, constant: str, depth: int) -> Expression:
    """The value of a field with what `steps` lead to replaced, in the elements of arrays as well.

    An array right inside an array is out of reach of a path, and so is emptied: what may be in it is not known.
    """
    name = f"v{depth}"
    inside = _masked_one(steps, f"$${name}", constant, depth + 1)
    element = {"$cond": [{"$isArray": [f"$${name}"]}, [], inside]}
    return {
        "$cond": [
            {"$isArray": [value]},
            {"$map": {"input": value, "as": name, "in": element}},
            _masked_one(steps, value, constant, depth),
        ]
    }


def _masked_one(steps: Sequence[str], value: str, constant: str, depth: int) -> Expression:
    if not steps:
        return {"$cond": [_is_absent(value), value, constant]}
    step, *rest = steps
    inner = _masked(rest, f"{value}.{step}", constant, depth)
    return {"$cond": [_is_document(value), {"$mergeObjects": [value, {step: inner}]}, value]}


def _values(steps: Sequence[str], value: str, *, at_root: bool = False) -> Expression:
    """The list of what `_masked` replaces, in the same order."""
    rest = steps[1:] if at_root else steps
    element = "$$this"
    one = _values_of_one(rest, element)
    listed = {
        "$reduce": {
            "input": value,
            "initialValue": [],
            "in": {"$concatArrays": ["$$value", {"$cond": [{"$isArray": [element]}, [], one]}]},
        }
    }
    return {"$cond": [{"$isArray": [value]}, listed, _values_of_one(rest, value)]}


def _values_of_one(steps: Sequence[str], value: str) -> Expression:
    if not steps:
        return {"$cond": [_is_absent(value), [], [value]]}
    step, *rest = steps
    return {"$cond": [_is_document(value), _values(rest, f"{value}.{step}"), []]}


def _without_literal_names(paths: Sequence[Sequence[str]], document: str, depth: int) -> Expression:
    """A document without the fields whose own names are dotted, like `a.b`: no path leads to them, and what is in them
    is as sensitive as what is in `b` within `a`. They are removed, not masked.
    """
    found: Expression = document
    for name in sorted({".".join(steps[:count]) for steps in paths for count in range(2, len(steps) + 1)}):
        found = {"$unsetField": {"field": {"$literal": name}, "input": found}}
    for first in sorted({steps[0] for steps in paths if len(steps) > 2}):
        rest = [steps[1:] for steps in paths if len(steps) > 2 and steps[0] == first]
        value, element = f"{document}.{first}", f"l{depth}"

        def within(one: str, rest: Sequence[Sequence[str]] = rest) -> Expression:
            return {"$cond": [_is_document(one), _without_literal_names(rest, one, depth + 1), one]}

        each = {"$map": {"input": value, "as": element, "in": within(f"$${element}")}}
        inside = {"$cond": [{"$isArray": [value]}, each, within(value)]}
        found = {"$setField": {"field": {"$literal": first}, "input": found, "value": inside}}
    return found


def _is_absent(value: str) -> Expression:
    return {"$in": [{"$type": value}, list(_ABSENT)]}


def _is_document(value: str) -> Expression:
    return {"$eq": [{"$type": value}, "object"]}
