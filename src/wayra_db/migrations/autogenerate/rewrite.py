"""The part of a generated migration that a person has to decide: what no command changes on a live collection."""

from __future__ import annotations

from wayra_db.migrations.autogenerate.changes import Rewrite
from wayra_db.migrations.autogenerate.draft import Block, Draft, plain
from wayra_db.migrations.autogenerate.literals import quoted


def write_rewrite(draft: Draft, rewrite: Rewrite) -> tuple[Block, Block]:
    """The safe path as comments with code, for `up` and `down`; each raises until it has been decided.

    So nothing of the file runs, and nothing is recorded as applied, before somebody has chosen.
    """
    up, down = draft.block(), draft.block()
    for reason in rewrite.reasons:
        up.say(f"TO DECIDE: {plain(rewrite.name)}: {plain(reason)}.")
    down.say(f"TO DECIDE: {plain(rewrite.name)}.")
    if rewrite.kind == "view":
        _view(rewrite, up, down)
    elif rewrite.kind == "timeseries" or "timeseries" in rewrite.options:
        _timeseries(draft, rewrite, up, down)
    else:
        _copy(draft, rewrite, up, down)
    for block, direction in ((up, "up"), (down, "down")):
        block.stop(f"decide what `{direction}` does with {rewrite.name}, and write it here")
    return up, down


def _view(rewrite: Rewrite, up: Block, down: Block) -> None:
    up.say("In the database it is a view, which holds no data. Keep its definition, drop it, and generate again:")
    up.example(f"db[{quoted(rewrite.name)}].drop()")
    down.say("Make the view again:")
    down.example(f"db.create_collection({quoted(rewrite.name)}, viewOn=..., pipeline=[...])")


def _timeseries(draft: Draft, rewrite: Rewrite, up: Block, down: Block) -> None:
    up.say(
        "A time series cannot be renamed, and $merge does not write into one. Create the declared collection under a "
        "name of its own, let the application write there, and copy the documents over in batches:"
    )
    new = quoted(f"{rewrite.name}_new")
    up.example("with unless(NAMESPACE_EXISTS):", f"    {_create(draft, rewrite)}", f"db[{new}].insert_many(...)")
    down.say("Let the application write to the former collection again, which is still there.")


def _create(draft: Draft, rewrite: Rewrite) -> str:
    spread = f", **{draft.constant(rewrite.name, 'declared', value=rewrite.options).text}" if rewrite.options else ""
    return f'db.command({{"create": {quoted(rewrite.name + "_new")}{spread}}})'


def _copy(draft: Draft, rewrite: Rewrite, up: Block, down: Block) -> None:
    """Copy beside, compare, swap; each state between is one from which the same code goes on."""
    said = plain(rewrite.name)
    name, new, old = (quoted(rewrite.name + suffix) for suffix in ("", "_new", "_old"))
    lines = ["with unless(NAMESPACE_EXISTS):", f"    {_create(draft, rewrite)}"]
    if rewrite.indexes:
        indexes = draft.constant(rewrite.name, "declared", "indexes", value=rewrite.indexes).text
        lines.append(f'db.command({{"createIndexes": {new}, "indexes": {indexes}}})')
    lines.append(f'copy = {{"into": {new}, "whenMatched": "keepExisting"}}')
    lines.append(f'db[{name}].aggregate([{{"$merge": copy}}])')
    if "capped" in rewrite.options:
        up.say("What does not fit into a capped collection is lost: its oldest documents go first.")
    else:
        lines += [
            f"if db[{new}].count_documents({{}}) != db[{name}].count_documents({{}}):",
            '    raise RuntimeError("the copy is not whole")',
        ]
    up.say(
        f"No command changes that on a live collection. Stop what writes to {said}, copy it into a new collection, and "
        f"swap the two; the former one stays as {said}_old until a later migration drops it. This may be repeated:"
    )
    up.example(
        f"if {old} not in db.list_collection_names():",
        *(f"    {line}" for line in lines),
        f"    db[{name}].rename({old})",
        "with unless(NAMESPACE_NOT_FOUND):",
        f"    db[{new}].rename({name})",
    )
    down.say(f"Swap them back; what was written since stays in {said}_new. This may be repeated:")
    down.example(
        f"if {old} in db.list_collection_names():",
        "    with unless(NAMESPACE_NOT_FOUND):",
        f"        db[{name}].rename({new})",
        f"    db[{old}].rename({name})",
    )
