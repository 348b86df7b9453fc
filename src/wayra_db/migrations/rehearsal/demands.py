"""Whether the data will meet what validators and unique indexes ask of it, those of migrations and those declared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wayra_db.migrations.model import Migration
from wayra_db.migrations.rehearsal import verdicts
from wayra_db.migrations.rehearsal.checks import count_duplicates, count_violations
from wayra_db.migrations.rehearsal.compare import CollectionState, State
from wayra_db.migrations.rehearsal.model import Declared, DeclaredValidator, Finding, RehearsalPlan, Violations
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import DUPLICATE_KEY


class Demands:
    """Remembers which migration asked for what, and looks in the end whether the data of `scratch` meets it."""

    def __init__(self, real: Deployment, scratch: Deployment, plan: RehearsalPlan, shown: verdicts.Shown) -> None:
        self._real = real
        self._scratch = scratch
        self._plan = plan
        self._shown = shown
        self._today: dict[str, Violations] = {}
        self._asked_by: dict[str, Migration] = {}
        self._unique: list[tuple[Migration, str, Mapping[str, Any]]] = []

    def begin(self, state: State) -> None:
        """Count what breaks the rules already, before anything has run."""
        for name, collection in state.items():
            if validator := _validator(name, collection):
                self._today[name] = count_violations(self._scratch, name, validator.validator)

    def after(self, migration: Migration, before: State, after: State) -> None:
        """Remember what `up` of a migration has made stricter."""
        for name, collection in after.items():
            old = before.get(name)
            if (_validator(name, old) if old else None) != _validator(name, collection):
                self._asked_by[name] = migration
            for index, document in collection.indexes.items():
                if document.get("unique") and (old is None or old.indexes.get(index) != document):
                    # A live index that has no collation is without one, whatever the collection's is.
                    asked = {"collation": {"locale": "simple"}, **document, "key": dict(document["key"])}
                    self._unique.append((migration, name, asked))

    def end(self, state: State) -> Iterator[Finding]:
        """What the data does not meet of that which is in the scratch database now."""
        for name, collection in state.items():
            if (validator := _validator(name, collection)) is None:
                continue
            found = count_violations(self._scratch, name, validator.validator)
            if name in self._asked_by:
                yield from verdicts.violations(validator, found, self._shown, migration=self._asked_by[name])
            else:
                yield from verdicts.violations(validator, found, self._shown, today=self._today.get(name))
        for migration, name, index in self._unique:
            if self._is_sampled(name):
                found_now = count_duplicates(self._real, name, index)
                yield from verdicts.duplicates(name, index, found_now, migration=migration, in_sample=False)

    def declared(self, declared: Declared) -> Iterator[Finding]:
        """What the data does not meet of that which `init` would ask for afterwards."""
        for validator in declared.validators:
            found = count_violations(self._scratch, validator.collection, validator.validator)
            yield from verdicts.violations(validator, found, self._shown, declared=True)
        for index in declared.indexes:
            sampled = self._is_sampled(index.collection)
            for place in (self._scratch, self._real) if sampled else (self._scratch,):
                duplicates = count_duplicates(place, index.collection, index.document)
                if duplicates.keys:
                    yield from verdicts.duplicates(
                        index.collection, index.document, duplicates, in_sample=place is self._scratch
                    )
                    break

    def failed(self, migration: Migration, error: BaseException, collections: Sequence[str]) -> Iterator[Finding]:
        """The duplicate keys behind an `up` that failed on them while it built a unique index."""
        key = _duplicate_key(error)
        if not key:
            return
        for name in collections:
            index = {"key": key, "unique": True}
            found = count_duplicates(self._scratch, name, index)
            yield from verdicts.duplicates(name, index, found, migration=migration)

    def _is_sampled(self, name: str) -> bool:
        return any(copy.name == name and not copy.whole for copy in self._plan.copies)


def _validator(name: str, collection: CollectionState) -> DeclaredValidator | None:
    options = collection.options
    if not options.get("validator") or options.get("validationLevel") == "off":
        return None
    return DeclaredValidator(
        name, options["validator"], options.get("validationLevel", "strict"), options.get("validationAction", "error")
    )


def _duplicate_key(error: BaseException) -> Mapping[str, Any] | None:
    """The key pattern of the server's duplicate key error that is behind `error`."""
    cause: BaseException | None = error
    while cause is not None:
        if getattr(cause, "code", None) == DUPLICATE_KEY:
            pattern: Mapping[str, Any] | None = (getattr(cause, "details", None) or {}).get("keyPattern")
            return pattern
        cause = cause.__cause__
    return None
