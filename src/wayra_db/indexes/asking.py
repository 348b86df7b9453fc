"""What only the server can say of index definitions: the full form of filters and collations, and its own verdicts.

Full forms come from `explain`, which reads only. Verdicts come from an empty scratch collection, made and dropped here.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from wayra_db.indexes.spec import Answer, IndexDocument, Question
from wayra_db.meta import PREFIX
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.commands import MAJORITY
from wayra_db.mongo.errors import is_refused_as_written, translated

INDEX_OPTIONS_CONFLICT = 85
SCRATCH = f"{PREFIX}scratch_"
LEFT_BEHIND_SECONDS = 3600


class Verdict(StrEnum):
    """What the server makes of a definition beside one that is there under the same name."""

    IDENTICAL = "identical"
    SAME_INDEX = "same index, other options"
    ANOTHER_INDEX = "another index"


def ask(deployment: Deployment, questions: Iterable[Question]) -> dict[tuple[str, str, str], Answer]:
    """The full forms that were asked for; one `explain` each. Writes nothing.

    What the server does not answer, for want of a right or because it refuses the filter, is missing.
    """
    from pymongo.errors import OperationFailure

    answers: dict[tuple[str, str, str], Answer] = {}
    for question in questions:
        find: dict[str, Any] = {"find": question.collection}
        find |= {"filter": question.value} if question.kind == "filter" else {"collation": question.value}
        part = "parsedQuery" if question.kind == "filter" else "collation"
        with translated(deployment.address):
            try:
                reply = deployment.database.command({"explain": find, "verbosity": "queryPlanner"})
            except OperationFailure:
                continue
        answer = _first(reply, part)
        if answer is not None:
            answers[question.key] = answer
    return answers


def compare(
    deployment: Deployment, options: Mapping[str, Any], live: IndexDocument, declared: IndexDocument
) -> Verdict:
    """Whether the server takes `declared` for the index `live`, both on an empty scratch collection with `options`."""
    from pymongo.errors import OperationFailure

    with translated(deployment.address), _scratch(deployment, options) as scratch:
        deployment.metadata.command({"createIndexes": scratch, "indexes": [dict(live)]})
        try:
            reply = deployment.metadata.command(
                {"createIndexes": scratch, "indexes": [{**declared, "name": live["name"]}]}
            )
        except OperationFailure as error:
            # On an empty collection nothing else can be wrong with a definition that was found good before.
            return Verdict.SAME_INDEX if error.code == INDEX_OPTIONS_CONFLICT else Verdict.ANOTHER_INDEX
        same = reply.get("numIndexesAfter") == reply.get("numIndexesBefore")
        return Verdict.IDENTICAL if same else Verdict.ANOTHER_INDEX


def refusal(deployment: Deployment, options: Mapping[str, Any], documents: Sequence[IndexDocument]) -> str | None:
    """Why the server would refuse to build these indexes, on an empty scratch collection with `options`."""
    from pymongo.errors import OperationFailure

    with translated(deployment.address), _scratch(deployment, options) as scratch:
        try:
            deployment.metadata.command({"createIndexes": scratch, "indexes": [dict(one) for one in documents]})
        except OperationFailure as error:
            if not is_refused_as_written(error.code):
                raise
            return str((error.details or {}).get("errmsg", error))
        return None


def sweep(deployment: Deployment) -> None:
    """Drop scratch collections that killed runs have left an hour ago or longer; one read where there are none."""
    with translated(deployment.address):
        names = deployment.metadata.list_collection_names(filter={"name": {"$regex": f"^{SCRATCH}"}})
        for name in names:
            made = name.removeprefix(SCRATCH).partition("_")[0]
            if made.isdigit() and int(made) < time.time() - LEFT_BEHIND_SECONDS:
                deployment.metadata.drop_collection(name)


@contextmanager
def _scratch(deployment: Deployment, options: Mapping[str, Any]) -> Iterator[str]:
    name = f"{SCRATCH}{int(time.time())}_{secrets.token_hex(4)}"
    rules = ("validator", "validationLevel", "validationAction", "capped", "size", "max")
    kept = {key: value for key, value in options.items() if key not in rules}
    try:
        deployment.metadata.command({"create": name, **kept, "writeConcern": MAJORITY})
        yield name
    finally:
        deployment.metadata.drop_collection(name)


def _first(reply: Any, part: str) -> Answer | None:
    """The first such part of an explanation; a sharded cluster puts it below each shard."""
    if isinstance(reply, Mapping):
        if isinstance(reply.get(part), Mapping):
            answer: Answer = reply[part]
            return answer
        inside: Iterable[Any] = (value for key, value in reply.items() if key != "command")
    elif isinstance(reply, list):
        inside = reply
    else:
        return None
    return next((found for value in inside if (found := _first(value, part)) is not None), None)
