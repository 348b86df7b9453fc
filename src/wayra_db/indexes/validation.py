"""Everything that speaks against a plan, found before any of it is done: rules, data, and the server's own word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wayra_db.environment import Allowed, Environment, check
from wayra_db.errors import DuplicateKeysError, IndexValidationError, RefusedError, WayraError
from wayra_db.events import Notice, SecurityEvent, notify
from wayra_db.guard import Guard
from wayra_db.indexes import asking, facts
from wayra_db.indexes.checks import (
    Problem,
    first_words,
    is_plainly_buildable,
    starts_to_expire,
    static_problems,
)
from wayra_db.indexes.facts import DuplicateGroup
from wayra_db.indexes.plan import BUILDING, IndexPlan, PlannedIndex, Step
from wayra_db.indexes.spec import IndexDocument, lifetime
from wayra_db.schema.collection import Collection

MASKED = "•••"


class Validator:
    """Looks at a plan with the eyes of the rules, of the data and of the server."""

    def __init__(self, guard: Guard, collections: Sequence[Collection]) -> None:
        self._guard = guard
        self._collections = {collection.name: collection for collection in collections}

    def problems(self, plan: IndexPlan, *, declared_only: bool = True) -> list[Problem]:
        """All problems that can be found by reading. Reads each collection once for each unique index to come, and once
        for each new lifetime.
        """
        deployment = self._guard.deployment
        planned = {one.collection for one in plan.indexes}
        shard_keys = facts.read_shard_keys(deployment, sorted(planned))
        found = static_problems(plan, self._collections, shard_keys, declared_only=declared_only)
        for one in plan.of(*BUILDING, Step.CONVERT, Step.CHANGE):
            self._guard.stop.check()
            if becomes_unique(one) and (problem := self.duplicates(one.collection, one.document)):
                found.append(problem)
            if starts_to_expire(one):
                found += self._expiry(one)
        return found

    def require(self, plan: IndexPlan, *, declared_only: bool = True) -> None:
        """Raise unless the plan may be applied as it is; the server is asked on a scratch collection, dropped at once.

        Raises RefusedError for what wants permission, DuplicateKeysError, and IndexValidationError for the rest. What
        is permitted is told as a notice.
        """
        problems = self.problems(plan, declared_only=declared_only)
        faults = [one for one in problems if one.action is None] + self._refused(plan)
        duplicates = [one for one in faults if one.rule == "duplicates"]
        if duplicates and len(duplicates) == len(faults):
            raise duplicate_error(duplicates)
        if faults:
            raise IndexValidationError(
                f"{first_words(faults)}. Nothing was changed",
                problems=[one.to_dict() for one in faults],
                hint="\n".join(dict.fromkeys(one.hint for one in faults if one.hint)),
            )
        for problem in problems:
            self._permit(problem)

    def duplicates(self, collection: str, index: IndexDocument) -> Problem | None:
        """The problem of a unique index over data with duplicates, None when there are none. Reads all of it."""
        found = facts.find_duplicates(self._guard.deployment, collection, index)
        if not found.keys:
            return None
        fields = ", ".join(index["key"])
        keys = "key occurs" if found.keys == 1 else "keys occur"
        namespace = f"{collection}.{index['name']}"
        return Problem(
            "duplicates",
            collection,
            str(index["name"]),
            f"{found.keys:,} {keys} more than once in {fields} of {collection}",
            f"All of them: wayra-db indexes duplicates {namespace}\nClean them up in a migration, then apply again.",
            samples=tuple(self.shown(collection, index, group) for group in found.first),
        )

    def shown(self, collection: str, index: IndexDocument, group: DuplicateGroup) -> dict[str, Any]:
        """A group of duplicates for people; values are masked where they are sensitive, in production all are."""
        declared = self._collections.get(collection)
        sensitive = declared.sensitive if declared else {}
        values = {
            field: MASKED if self._is_masked(field, sensitive) else _plain(value)
            for field, value in zip(index["key"], group.values, strict=True)
        }
        ids = [MASKED if "_id" in sensitive else _plain(one) for one in group.ids]
        return {"values": values, "documents": group.documents, "ids": ids}

    def _is_masked(self, field: str, sensitive: Mapping[str, Any]) -> bool:
        if self._guard.environment is Environment.PRODUCTION:
            return True
        return any(field == path or field.startswith(f"{path}.") or path.startswith(f"{field}.") for path in sensitive)

    def _expiry(self, one: PlannedIndex) -> list[Problem]:
        from wayra_db.environment import Action

        index = {**one.declared, **one.changes}
        found = facts.count_expired(self._guard.deployment, one.collection, index)
        if found.of == 0 and not facts.holds_documents(self._guard.deployment, one.collection):
            return []  # nothing can be lost by it today, and what comes later comes knowing of it
        many = "more than could be counted in a minute" if found.documents is None else f"{found.documents:,}"
        message = (
            f"deletes documents {lifetime(index['expireAfterSeconds'])} after {next(iter(index['key']))}: {many} of "
            f"{found.of:,} at once"
        )
        return [Problem("expiry", one.collection, one.name, message, action=Action.EXPIRE_DOCUMENTS)]

    def _refused(self, plan: IndexPlan) -> list[Problem]:
        """What the server itself would refuse, asked for definitions that the rules do not know through and through."""
        found = []
        for name, collection in self._collections.items():
            documents = [one for one in plan.of(*BUILDING) if one.collection == name]
            asked = [one for one in documents if not is_plainly_buildable(one.declared)]
            if not asked:
                continue
            options = collection.create_options()
            reason = asking.refusal(self._guard.deployment, options, [one.document for one in asked])
            if reason:
                where = f"{collection.path}:{collection.line}"
                hint = f"Correct the declaration of {name}; none of its missing indexes was created."
                message = f"{where}: the server refused the indexes of {name}: {reason}"
                found.append(Problem("definition", name, asked[0].name, message, hint))
        return found

    def _permit(self, problem: Problem) -> None:
        guard = self._guard
        if problem.action is None:
            return
        decision = check(problem.action, guard.environment, permitted=guard.permitted)
        said = f"{problem.namespace}: {problem.message}"
        if isinstance(decision, Allowed):
            notify(guard.observer, Notice(said, "warning"))
            return
        error = RefusedError(
            f"{said}. Nothing was changed",
            rule=problem.action.value,
            environment=guard.environment.value,
            allowed_by=getattr(decision, "how", ""),
            hint=f"{problem.hint} {getattr(decision, 'how', '')}".strip(),
        )
        notify(guard.observer, SecurityEvent(problem.action.value, "refused", guard.environment.value, said))
        raise error


def becomes_unique(one: PlannedIndex) -> bool:
    """Whether the step asks of the data that it holds no duplicates, which nothing has asked before."""
    if one.step is Step.CONVERT:
        return True
    return one.step in BUILDING and bool(one.declared.get("unique") or one.declared.get("prepareUnique"))


def duplicate_error(problems: Sequence[Problem]) -> WayraError:
    """The error for unique indexes that the data does not allow."""
    first = problems[0]
    listed = "; ".join(f"{one.message}, so {one.index} cannot be unique" for one in problems)
    samples = [sample for one in problems for sample in one.samples]
    lines = [sample_line(sample) for sample in samples]
    lines += dict.fromkeys(line for one in problems for line in one.hint.splitlines())
    return DuplicateKeysError(
        f"{listed}. No index of {first.collection} was changed",
        index=first.namespace,
        samples=samples,
        hint="\n".join(lines),
    )


def sample_line(sample: Mapping[str, Any]) -> str:
    """A key that occurs more than once: its values, how often, some ids."""
    values = ", ".join(f"{field} {value}" for field, value in sample["values"].items())
    ids = ", ".join(map(str, dict.fromkeys(sample["ids"])))
    more = ", …" if sample["documents"] > len(sample["ids"]) else ""
    return f"{values}: {sample['documents']:,} documents, _id {ids}{more}"


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
