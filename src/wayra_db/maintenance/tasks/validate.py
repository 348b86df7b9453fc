"""`validate`: have each member look whether its collections and indexes are whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wayra_db.environment import Action
from wayra_db.errors import UnsupportedDeploymentError, WayraError
from wayra_db.events import Progress, notify
from wayra_db.guard import Guard
from wayra_db.locking import Lease
from wayra_db.maintenance.members import Member, read_members
from wayra_db.maintenance.model import Done, PlannedTask, Request, Task, Validation
from wayra_db.maintenance.operation import run_on
from wayra_db.maintenance.tasks.compact import compactable
from wayra_db.maintenance.worker import counted
from wayra_db.mongo.errors import NAMESPACE_NOT_FOUND, translated


@dataclass(frozen=True, slots=True)
class ValidatePlan(PlannedTask):
    """The collections, looked at on each member."""

    members: tuple[Member, ...] = ()
    collections: tuple[str, ...] = ()
    mode: Validation = "online"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a member says of one collection: `damage` in words without values, and documents its validator refuses."""

    damage: str
    refused: int


@dataclass
class Validate:
    """`online` looks at the newest checkpoint and locks nothing; `full` locks each collection while it is looked at."""

    guard: Guard

    def plan(self, request: Request) -> ValidatePlan:
        """All collections of the user on all members, the primary last."""
        mode = request.validate or "online"
        if mode == "full":
            self.guard.require(Action.VALIDATE_FULL)
        try:
            members = read_members(self.guard.deployment)
        except UnsupportedDeploymentError as error:
            return ValidatePlan(Task.VALIDATE, skipped=f"{error.message}. {error.hint}")
        names = tuple(compactable(self.guard))
        how = (
            "each is LOCKED for reads and writes while it is looked at" if mode == "full" else "reads and writes go on"
        )
        work = [f"validate {counted(len(names), 'collection')} on {one.words}: {how}" for one in members if names]
        return ValidatePlan(Task.VALIDATE, tuple(work), members=members, collections=names, mode=mode)

    def run(self, planned: ValidatePlan, lease: Lease) -> Done:
        """Validate each collection on each member. Raises WayraError when any is damaged, once all were looked at."""
        damaged: list[str] = []
        refused: list[str] = []
        total, looked = len(planned.members) * len(planned.collections), 0
        for member in planned.members:
            for name in planned.collections:
                self.guard.stop.check()
                verdict = self._validate(lease, member, name, planned.mode)
                looked += 1
                notify(self.guard.observer, Progress("validating", looked, total, "collections"))
                if verdict.damage:
                    damaged.append(f"{name} on {member.words}: {verdict.damage}")
                if verdict.refused:
                    refused.append(f"{name}: its validator refuses {counted(verdict.refused, 'document')} of it")
        if damaged:
            raise WayraError(
                f"damaged: {'; '.join(damaged)}",
                hint="Take a backup of what can still be read. A secondary is made whole by an initial sync, a single "
                "server by restoring a backup: wayra-db recover --dry-run",
            )
        return Done(f"{counted(looked, 'collection')} whole", tuple(dict.fromkeys(refused)))

    def _validate(self, lease: Lease, member: Member, name: str, mode: Validation) -> Verdict:
        from pymongo.errors import OperationFailure

        command = {"validate": name, **({"background": True} if mode == "online" else {})}
        with translated(self.guard.deployment.address):
            try:
                return judge(run_on(self.guard, lease, member.address, command))
            except OperationFailure as error:
                if error.code != NAMESPACE_NOT_FOUND:
                    raise
                return Verdict("", 0)


def judge(reply: Mapping[str, Any]) -> Verdict:
    """The reply of `validate` without the server's own sentences, which quote keys and so values. Pure."""
    refused = int(reply.get("nNonCompliantDocuments", 0))
    if reply.get("valid", True):
        return Verdict("", refused)
    counts = [
        (int(reply.get("nInvalidDocuments", 0)), "invalid document", ""),
        (len(reply.get("corruptRecords", ())), "corrupt record", ""),
        (len(reply.get("missingIndexEntries", ())), "missing index entry", "missing index entries"),
        (len(reply.get("extraIndexEntries", ())), "superfluous index entry", "superfluous index entries"),
    ]
    parts = [counted(*one) for one in counts if one[0]]
    parts += [f"index {name}" for name, one in reply.get("indexDetails", {}).items() if not one.get("valid", True)]
    return Verdict(", ".join(parts) or "the server's log says what", refused)
