"""States of a database, and in what two of them differ. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from wayra_db.migrations.rehearsal.model import Changes


@dataclass(frozen=True, slots=True)
class Known:
    """The hashes of one document: of its bytes, and of its fields in the order of their names."""

    exact: bytes
    sorted: bytes


@dataclass(frozen=True, slots=True)
class CollectionState:
    """A collection at one moment.

    `digest` is over the bytes of all documents, whatever their order. `known` holds the hashes of single documents by
    the BSON of their `_id`: of all of them when `complete`, else of a share that every state of the same rehearsal
    chooses alike.
    """

    documents: int
    digest: int
    known: Mapping[bytes, Known] = field(repr=False)
    complete: bool
    options: Mapping[str, Any]
    indexes: Mapping[str, Mapping[str, Any]]

    @property
    def expires(self) -> bool:
        """Whether the server deletes documents by itself."""
        return any("expireAfterSeconds" in index for index in self.indexes.values())

    @property
    def bare(self) -> bool:
        """Whether it is as good as absent: nothing in it, and nothing said of it."""
        return not self.documents and not self.options and set(self.indexes) <= {"_id_"}


State = Mapping[str, CollectionState]


class Aspect(StrEnum):
    """In what a collection differs."""

    CREATED = "created"
    EMPTY = "created, empty"
    DROPPED = "dropped"
    DOCUMENTS = "documents"
    FIELD_ORDER = "order of fields"
    EXPIRED = "expired documents"
    OPTIONS = "options"
    INDEXES = "indexes"


# These are worth a word and no more.
HARMLESS = frozenset({Aspect.EMPTY, Aspect.FIELD_ORDER, Aspect.EXPIRED})


@dataclass(frozen=True, slots=True)
class Difference:
    """In what one collection differs, as words; `examples` are the BSON of some `_id`s."""

    collection: str
    aspect: Aspect
    words: str
    examples: tuple[bytes, ...] = ()

    @property
    def harmless(self) -> bool:
        """Whether nobody has lost anything by it."""
        return self.aspect in HARMLESS


EXAMPLES = 5


def differences(before: State, after: State) -> tuple[Difference, ...]:
    """In what `after` differs from `before`, by collection."""
    found: list[Difference] = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old is None and new is not None:
            words = f"is there with {_documents(new.documents)}, and was not"
            found.append(Difference(name, Aspect.EMPTY if new.bare else Aspect.CREATED, words))
        elif new is None and old is not None:
            found.append(Difference(name, Aspect.DROPPED, f"is gone, with {_documents(old.documents)}"))
        elif old is not None and new is not None:
            found += _within(name, old, new)
    return tuple(found)


def changes(before: State, after: State) -> Changes:
    """What else than documents differs."""
    both = sorted(set(before) & set(after))
    return Changes(
        collections_created=tuple(sorted(set(after) - set(before))),
        collections_dropped=tuple(sorted(set(before) - set(after))),
        options_changed=tuple(name for name in both if before[name].options != after[name].options),
        indexes_created=tuple(_indexes(after, before)),
        indexes_dropped=tuple(_indexes(before, after)),
    )


def shape(state: State) -> State:
    """A state without the contents of its documents: their number, options and indexes."""
    return {name: replace(one, digest=0, known={}, complete=False) for name, one in state.items()}


def _indexes(here: State, there: State) -> Iterator[str]:
    for name in sorted(here):
        other = there[name].indexes if name in there else {}
        for index, document in here[name].indexes.items():
            if index != "_id_" and other.get(index) != document:
                yield f"{name}.{index}"


def _within(name: str, old: CollectionState, new: CollectionState) -> Iterator[Difference]:
    if old.digest != new.digest or old.documents != new.documents:
        yield _in_documents(name, old, new)
    if old.options != new.options:
        changed = sorted(key for key in {*old.options, *new.options} if old.options.get(key) != new.options.get(key))
        yield Difference(name, Aspect.OPTIONS, f"{', '.join(changed)} differ{'s' if len(changed) == 1 else ''}")
    if dict(old.indexes) != dict(new.indexes):
        words = []
        for word, here, there in (("missing", old, new), ("extra", new, old)):
            listed = sorted(index for index in here.indexes if index not in there.indexes)
            words += [f"{word}: {', '.join(listed)}"] if listed else []
        same_name = sorted(set(old.indexes) & set(new.indexes))
        other = [index for index in same_name if old.indexes[index] != new.indexes[index]]
        words += [f"with other options: {', '.join(other)}"] if other else []
        yield Difference(name, Aspect.INDEXES, f"indexes {'; '.join(words)}")


def _in_documents(name: str, old: CollectionState, new: CollectionState) -> Difference:
    missing = [key for key in old.known if key not in new.known]
    extra = [key for key in new.known if key not in old.known]
    both = [key for key in old.known if key in new.known and old.known[key].exact != new.known[key].exact]
    changed = [key for key in both if old.known[key].sorted != new.known[key].sorted]
    examples = tuple([*changed, *missing, *extra][:EXAMPLES])
    at_least = "" if old.complete and new.complete else "at least "
    words = []
    for number, what in ((len(changed), "changed"), (len(missing), "missing"), (len(extra), "extra")):
        words += [f"{_documents(number)} {what}"] if number else []
    complete = old.complete and new.complete
    if complete and both and not words:
        said = f"{_documents(len(both))} with the same fields in another order"
        return Difference(name, Aspect.FIELD_ORDER, said, tuple(both[:EXAMPLES]))
    if complete and missing and not changed and not extra and (old.expires or new.expires):
        return Difference(
            name, Aspect.EXPIRED, f"{_documents(len(missing))} missing; a TTL index may have removed them", examples
        )
    if not words and both:
        words = [f"{_documents(len(both))} with their fields in another order, and maybe more"]
    if not words:
        counts = f"{old.documents:,} before, {new.documents:,} after"
        words = [counts if old.documents != new.documents else "some documents differ"]
        at_least = ""
    return Difference(name, Aspect.DOCUMENTS, at_least + ", ".join(words), examples)


def _documents(number: int) -> str:
    return f"{number:,} document{'' if number == 1 else 's'}"
