"""Writes `DeclaredChanges` as a migration: constants with what is to be and what was, `up`, `down`, and their helpers.

The file imports nothing of this package, so that it means the same in ten years; its helpers come from
`templates/repeatable.py.txt`, and only those that it calls. `up` goes on from every state between the former one and
its end, an empty database included; `down` likewise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wayra_db.migrations.autogenerate.changes import CollectionChange, DeclaredChanges, Document, IndexChange
from wayra_db.migrations.autogenerate.draft import Block, Draft, plain, wrapped
from wayra_db.migrations.autogenerate.literals import Raw, quoted
from wayra_db.migrations.autogenerate.rewrite import write_rewrite

SHOWN = 20  # so many names of what is left alone stand in the file

Step = tuple[Block, Block]  # what does it, and what undoes it


def write_source(changes: DeclaredChanges, *, title: str, version: int, created: str) -> str:
    """The migration's text. `title` is one line that may stand in a docstring, `created` an ISO time.

    The same changes give the same text. Raises MigrationError for a value that BSON does not know.
    """
    draft = Draft()
    decisions = [write_rewrite(draft, rewrite) for rewrite in changes.rewrites]
    steps = [_collection(draft, change) for change in changes.collections]
    steps += [_based(draft, name, options) for name, options in changes.fixed.items()]
    steps += [_replaced(draft, change) for change in changes.indexes if change.before and not change.in_place]
    steps += [_modified(draft, change) for change in changes.indexes if change.in_place]
    steps += _built(draft, changes)
    check_up, check_down = _checks(draft, changes)
    return draft.source(
        [f"Migration: {title}", f"Version: {version}", f"Created: {created}", *_introduction(changes)],
        [*(up for up, _ in decisions), check_up, *(up for up, _ in steps)],
        [*(down for _, down in decisions), check_down, *(down for _, down in reversed(steps))],
    )


def _introduction(changes: DeclaredChanges) -> list[str]:
    paragraphs = [
        "Written by `wayra-db migrate create --from-declarations`: what the database lacked of the declarations on "
        "that day. Read it and change what you know better; then it is a migration like any other.",
        "`down` gives back the rules and indexes of that day, and drops a collection that was created here only while "
        "it holds no documents.",
    ]
    if changes.left_alone:
        shown = ", ".join(changes.left_alone[:SHOWN])
        more = f" and {len(changes.left_alone) - SHOWN} more" if len(changes.left_alone) > SHOWN else ""
        paragraphs.append(f"Left alone, as it is declared nowhere: {plain(shown)}{more}.")
    return [line for paragraph in paragraphs for line in ["", *wrapped(paragraph)]]


def _checks(draft: Draft, changes: DeclaredChanges) -> Step:
    """What both directions look at before they change anything."""
    up, down = draft.block(), draft.block()
    enforced = [change for change in changes.collections if change.enforces]
    if enforced:
        up.say("While nothing is changed yet: do the documents that are there keep to the rules? Reads each once.")
    for change in enforced:
        up.call("require_valid", change.name, Raw(f'{_rules(draft, change).text}["validator"]'))
    if changes.created:
        down.say("While nothing is changed yet: what is dropped must hold nothing. Stop what writes there first.")
    for change in changes.created:
        down.call("require_empty", change.name)
    return up, down


def _rules(draft: Draft, change: CollectionChange) -> Raw:
    return draft.constant(change.name, "rules", value=change.rules)


def _collection(draft: Draft, change: CollectionChange) -> Step:
    """Create a collection or set its rules."""
    up, down = draft.block(), draft.block()
    said = plain(change.name)
    if change.before is None:
        up.say(f"Create {said}. Where it is there already, it gets the same rules.")
    else:
        differing = [rule for rule, value in change.rules.items() if value != change.before[rule]]
        up.say(f"Set {', '.join(differing)} of {said}. Where it is missing, it is created.")
    if change.rules.get("validator") and not change.enforces:
        up.say("Documents that are there and break these rules stay as they are, so they are not counted first.")
    if (seconds := change.rules.get("expireAfterSeconds", "off")) != "off":
        up.say(_expiry(seconds))
    create: dict[Any, Any] = {"create": change.name, **change.options}
    if change.rules and _create_takes(change):
        create |= _spread(_rules(draft, change))
    up.command(create, unless=["NAMESPACE_EXISTS"])
    if change.rules:
        up.command({"collMod": change.name, **_spread(_rules(draft, change))})
    if change.shard_key is not None and change.before is None:
        up.say("Where the deployment is a sharded cluster; to say it twice changes nothing.")
        up.code("if db.client.is_mongos:")
        literal = quoted("." + change.name.replace("{", "{{").replace("}", "}}"))
        namespace = Raw(f"f{literal[0]}{{db.name}}{literal[1:]}")
        call = draft.literals.call("db.client.admin.command", {"shardCollection": namespace, "key": change.shard_key})
        up.lines += draft.literals.lines(call, indent=2)
    if change.before is not None:
        before = draft.constant(change.name, "rules", "before", value=change.before)
        down.say(f"Give {said} its former rules. Documents written meanwhile are not looked at.")
        down.command({"collMod": change.name, **_spread(before)})
    elif change.is_timeseries:
        down.say(f"Drop {said} with its indexes. What arrives there from the look above until now goes with it.")
        down.command({"drop": change.name}, unless=["NAMESPACE_NOT_FOUND"])
    else:
        down.say(f"Drop {said} with its indexes. A document that has arrived since the look above stops this.")
        down.call("drop_if_empty", change.name, _rules(draft, change) if change.rules else {})
    return up, down


def _based(draft: Draft, name: str, options: Document) -> Step:
    """A collection of which only indexes change, for a database that has not got it yet."""
    up, down = draft.block(), draft.block()
    up.say(f"Where {plain(name)} is missing, create it with what cannot be added later.")
    up.command({"create": name, **options}, unless=["NAMESPACE_EXISTS"])
    return up, down


def _create_takes(change: CollectionChange) -> bool:
    """Whether `create` takes the rules as they are: it does not know `off`, which is `collMod`'s word."""
    return change.rules.get("expireAfterSeconds") != "off"


def _spread(constant: Raw) -> dict[Any, Any]:
    return {Raw(f"**{constant.text}"): None}


def _replaced(draft: Draft, change: IndexChange) -> Step:
    """An index that only a new build can change."""
    up, down = draft.block(), draft.block()
    after, before = _index(draft, change)
    former = change.before or {}
    named = plain(change.name) if former["name"] == change.name else f"{plain(former['name'])} by {plain(change.name)}"
    up.say(f"Replace index {named} of {plain(change.collection)}.")
    _notes(up, change.after, former)
    up.call("replace_index", change.collection, before, after)
    _give_back(down, change, after, before)
    return up, down


def _give_back(down: Block, change: IndexChange, after: Raw, before: Raw) -> None:
    down.say(f"Give {plain(change.collection)} its former index back.")
    _notes(down, change.before or {}, change.after)
    down.call("replace_index", change.collection, after, before)


def _modified(draft: Draft, change: IndexChange) -> Step:
    """An index that `collMod` can change."""
    up, down = draft.block(), draft.block()
    after, before = _index(draft, change)
    former = change.before or {}
    where = f"index {plain(change.name)} of {plain(change.collection)}"
    up.say(f"Set {', '.join(change.in_place)} of {where}. Where it is missing, it is built.")
    _notes(up, change.after, former)
    up.command({"createIndexes": change.collection, "indexes": [after]}, unless=["INDEX_OPTIONS_CONFLICT"])
    up.command({"collMod": change.collection, "index": {"name": change.name, **change.in_place}})
    if "expireAfterSeconds" in change.in_place and "expireAfterSeconds" not in former:
        # The server can set a lifetime in place, but not take it away.
        _give_back(down, change, after, before)
        return up, down
    down.say(f"Set {where} back.")
    values = {key: former[key] if key == "expireAfterSeconds" else bool(former.get(key)) for key in change.in_place}
    down.command({"collMod": change.collection, "index": {"name": change.name, **values}})
    return up, down


def _index(draft: Draft, change: IndexChange) -> tuple[Raw, Raw]:
    label = ("index", change.name)
    after = draft.constant(change.collection, *label, value=change.after)
    return after, draft.constant(change.collection, *label, "before", value=change.before)


def _built(draft: Draft, changes: DeclaredChanges) -> list[Step]:
    """The missing indexes, one command a collection."""
    missing: dict[str, list[Document]] = {}
    for change in changes.indexes:
        if change.before is None:
            missing.setdefault(change.collection, []).append(change.after)
    created = {change.name for change in changes.created}
    return [_build(draft, name, documents, name in created) for name, documents in missing.items()]


def _build(draft: Draft, collection: str, documents: Sequence[Document], is_new: bool) -> Step:
    up, down = draft.block(), draft.block()
    constant = draft.constant(collection, "indexes", value=documents)
    up.say(f"Build the missing indexes of {plain(collection)} in one pass; reads and writes go on meanwhile.")
    for document in documents:
        _notes(up, document, {})
    up.command({"createIndexes": collection, "indexes": constant})
    if not is_new:  # a new collection's indexes go with it
        down.say(f"Drop the indexes of {plain(collection)} that `up` built.")
        down.code(f"for index in {constant.text}:")
        down.call("drop_index", collection, Raw('index["name"]'), indent=2)
    return up, down


def _notes(block: Block, after: Document, before: Document) -> None:
    """What a person should know before this index is built."""
    if after.get("unique") and not before.get("unique"):
        fields = plain(", ".join(after["key"]))
        block.say(f"{plain(after['name'])} is unique: it cannot be built while documents share {fields}.")
    seconds = after.get("expireAfterSeconds")
    if seconds is not None and seconds != before.get("expireAfterSeconds"):
        block.say(_expiry(seconds))


def _expiry(seconds: Any) -> str:
    return (
        f"From then on the server deletes documents {seconds} seconds after their time; nothing here brings them back."
    )
