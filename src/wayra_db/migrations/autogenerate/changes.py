"""What differs between the declared collections and the live ones, with all that is needed to undo it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wayra_db.schema.collection import Collection
from wayra_db.schema.diff import CHANGEABLE, diff
from wayra_db.schema.live import LiveCollection

Document = Mapping[str, Any]

# What `collMod` can set on a collection; the rest of `create`'s options is fixed for its life.
RULES = (*CHANGEABLE, "expireAfterSeconds")
NAMED = 3  # so many collections stand by name in a migration's name


@dataclass(frozen=True, slots=True)
class IndexChange:
    """One index of a declared collection: `before` as it is live, None when it is missing; `after` as it is to be.

    `in_place` holds what `collMod` can set when that is all that differs; empty, the index is built anew. Documents
    are as `createIndexes` takes them.
    """

    collection: str
    before: Document | None
    after: Document
    in_place: Document = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The index's name, as it is to be."""
        return str(self.after["name"])


@dataclass(frozen=True, slots=True)
class CollectionChange:
    """A collection to create (`before` is None) or to set rules on.

    `options` are fixed at creation, `rules` can be set by `collMod`; `before` holds the rules as they are now.
    """

    name: str
    options: Document
    rules: Document
    before: Document | None = None
    shard_key: Document | None = None

    @property
    def enforces(self) -> bool:
        """Whether the rules refuse documents that are there already as soon as they are written again."""
        return bool(
            self.rules.get("validator")
            and self.rules.get("validationLevel") == "strict"
            and self.rules.get("validationAction") != "warn"
        )

    @property
    def is_timeseries(self) -> bool:
        """Whether it is a time series, which takes no validator and cannot be renamed."""
        return "timeseries" in self.options


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A collection with a difference that no command removes: its data has to move into a new one."""

    name: str
    kind: str
    reasons: tuple[str, ...]
    options: Document
    indexes: tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class DeclaredChanges:
    """Everything that differs; `left_alone` is live and declared by nobody, so that it stays as it is.

    `fixed` holds the options, fixed at creation, of collections of which only indexes change: where such a collection
    is missing, building an index would create it without them, and nothing could add them later.
    """

    collections: tuple[CollectionChange, ...] = ()
    indexes: tuple[IndexChange, ...] = ()
    fixed: Mapping[str, Document] = field(default_factory=dict)
    rewrites: tuple[Rewrite, ...] = ()
    left_alone: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether the database is as declared."""
        return not (self.collections or self.indexes or self.rewrites)

    @property
    def created(self) -> tuple[CollectionChange, ...]:
        """The collections to create."""
        return tuple(one for one in self.collections if one.before is None)

    @property
    def changed(self) -> tuple[CollectionChange, ...]:
        """The collections that exist and whose rules change."""
        return tuple(one for one in self.collections if one.before is not None)

    @property
    def name(self) -> str:
        """A migration's name made of what it does: `create trips, index users`."""
        created = {one.name for one in self.created}
        # A created collection's indexes go without saying.
        indexed = dict.fromkeys(one.collection for one in self.indexes if one.collection not in created)
        parts = [
            _counted("create", [one.name for one in self.created]),
            _counted("change", [one.name for one in self.changed]),
            _counted("rewrite", [one.name for one in self.rewrites]),
            _counted("index", list(indexed)),
        ]
        return ", ".join(part for part in parts if part)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "create": [one.name for one in self.created],
            "change": [one.name for one in self.changed],
            "indexes": [f"{one.collection}.{one.name}" for one in self.indexes],
            "rewrite": [{"collection": one.name, "reasons": list(one.reasons)} for one in self.rewrites],
            "leftAlone": list(self.left_alone),
        }


def compare(
    declared: Sequence[Collection],
    live: Mapping[str, LiveCollection],
    indexes: Iterable[IndexChange],
    left_alone: Iterable[str] = (),
) -> DeclaredChanges:
    """What makes the live collections and indexes equal the declared ones.

    `indexes` are the changes of declared collections' indexes; those of a collection that has to be rewritten wait for
    that. `left_alone` names live indexes that nobody declares.
    """
    plan = diff(declared, live)
    by_name = {collection.name: collection for collection in declared}
    reasons: dict[str, list[str]] = {}
    for conflict in plan.conflicts:
        reasons.setdefault(conflict.collection, []).append(conflict.message)
    changes = [_creation(collection) for collection in plan.create]
    changes += [
        _change(by_name[change.collection], live[change.collection], change.options)
        for change in plan.change
        if change.collection not in reasons
    ]
    kept = [one for one in indexes if one.collection not in reasons]
    options = {name: _fixed(by_name[name]) for one in kept if (name := one.collection) not in {c.name for c in changes}}
    return DeclaredChanges(
        collections=tuple(changes),
        indexes=tuple(IndexChange(one.collection, _recreatable(one, live), one.after, one.in_place) for one in kept),
        fixed={name: fixed for name, fixed in options.items() if fixed},
        rewrites=tuple(
            Rewrite(
                name,
                live[name].kind,
                tuple(messages),
                by_name[name].create_options(),
                tuple(by_name[name].index_documents()),
            )
            for name, messages in reasons.items()
        ),
        left_alone=(*(f"collection {name}" for name in plan.undeclared), *left_alone),
    )


def _creation(collection: Collection) -> CollectionChange:
    rules = {key: value for key, value in collection.create_options().items() if key in RULES}
    if "validator" in rules:
        # Written out, so that the file says what holds, and a collection that is there already gets all three.
        rules = {key: rules.get(key, default) for key, default in CHANGEABLE.items()} | rules
    return CollectionChange(collection.name, _fixed(collection), rules, shard_key=collection.shard_key)


def _change(collection: Collection, live: LiveCollection, changed: Document) -> CollectionChange:
    """All rules together where one differs, since a level means nothing without its validator."""
    wanted = collection.create_options()
    defaults: dict[str, Any] = dict(CHANGEABLE) if set(changed) & set(CHANGEABLE) else {}
    if "expireAfterSeconds" in changed:
        defaults["expireAfterSeconds"] = "off"
    return CollectionChange(
        collection.name,
        options=_fixed(collection),
        rules={key: wanted.get(key, default) for key, default in defaults.items()},
        before={key: live.options.get(key, default) for key, default in defaults.items()},
        shard_key=collection.shard_key,
    )


def _fixed(collection: Collection) -> dict[str, Any]:
    return {key: value for key, value in collection.create_options().items() if key not in RULES}


def _recreatable(change: IndexChange, live: Mapping[str, LiveCollection]) -> Document | None:
    """A live index as `createIndexes` needs it to build the same one again.

    A listing shows no collation for a simple one; where the collection has a default, leaving it out would take that.
    """
    if change.before is None:
        return None
    before = {key: value for key, value in change.before.items() if key != "buildUUID"}  # of a build that goes on
    found = live.get(change.collection)
    if "collation" not in before and found is not None and "collation" in found.options:
        before["collation"] = {"locale": "simple"}
    return before


def _counted(verb: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{verb} {', '.join(names[:NAMED])}{more}"
