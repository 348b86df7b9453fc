"""SeedManager: plans, runs, previews, clears and reports the seeds of one folder on one database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wayra_db.environment import Action
from wayra_db.errors import GenerateError, SeedNotFoundError
from wayra_db.guard import Guard
from wayra_db.mongo.errors import translated
from wayra_db.seeds import history
from wayra_db.seeds.clearing import clear_steps, count_made
from wayra_db.seeds.loader import load_seeds
from wayra_db.seeds.model import GeneratedRecord, Seed, SeedPlan, SeedStatus
from wayra_db.seeds.plan import plan_seeds, statuses
from wayra_db.seeds.preview import preview
from wayra_db.seeds.results import GenerateResult, SeedClearing, SeedPreview, SeedResult
from wayra_db.seeds.run import SeedRun
from wayra_db.seeds.runner import run_plan
from wayra_db.seeds.scaffold import Kind, create_seed

if TYPE_CHECKING:
    from wayra_db.seeds.generate.generator import Source


class SeedManager:
    """Runs seeds, each once: in a transaction with its record where the deployment has transactions."""

    def __init__(self, guard: Guard, directory: Path, *, source: Source | None = None) -> None:
        """`source` says what made-up documents are like; without it none can be made."""
        self._guard = guard
        self._directory = directory
        self._source = source

    def files(self) -> tuple[Seed, ...]:
        """The seeds in the order in which they run, read without running them or touching the database."""
        return load_seeds(self._directory)

    def create(self, name: str, *, kind: Kind = "python") -> tuple[Path, ...]:
        """Write a new seed file; needs no database. Returns the paths."""
        return create_seed(self._directory, name, kind=kind)

    def status(self) -> tuple[SeedStatus, ...]:
        """Every seed with its state here. One find; writes nothing."""
        return statuses(self.files(), history.read_records(self._guard.deployment), self._guard.environment)

    def plan(self, names: Sequence[str] = (), *, again: bool = False) -> SeedPlan:
        """Which seeds `run` would run now. One find; runs none of their code and writes nothing."""
        return plan_seeds(
            self.files(),
            history.read_records(self._guard.deployment),
            self._guard.environment,
            transactions=self._guard.deployment.capabilities.transactions,
            again=again,
            names=names,
        )

    def preview(self, names: Sequence[str] = (), *, again: bool = False, fresh: bool = False) -> SeedPreview:
        """What `run` would insert, change, and keep because a person edited it.

        Runs the seeds, their own code included, in a transaction that is given up; nothing stays written. What cannot
        join one is compared where that is enough, and else unknown. Refused in production. Raises RefusedError,
        SeedLoadError, SeedNotFoundError.
        """
        self._guard.require(Action.SEED)
        plan = self.plan(names, again=again or fresh)
        chosen = _fresh(plan, names) if fresh else frozenset[str]()
        return preview(plan, self._guard, fresh=chosen, source=self._source)

    def run(self, names: Sequence[str] = (), *, again: bool = False, fresh: bool = False) -> SeedResult:
        """Run this environment's seeds that have not run, or that say a newer version; or only `names` and what they
        depend on.

        With `again` also those that have run, and with `fresh` these after the documents that they made were deleted.
        Refused in production. Takes no lock and writes nothing when none is due. A failing seed with `required = True`
        stops the run with SeedFailedError; another is reported, what depends on it is skipped, and the rest goes on.
        Raises RefusedError, LockHeldError, SeedLoadError, SeedNotFoundError, SeedFailedError, CancelledError.
        """
        self._guard.require(Action.SEED)
        if not self.plan(names, again=again or fresh).run:
            return SeedResult(())
        with self._guard.changing(Action.SEED, "seed") as lease:
            plan = self.plan(names, again=again or fresh)
            chosen = _fresh(plan, names) if fresh else frozenset[str]()
            return run_plan(plan, self._guard, lease, fresh=chosen, source=self._source)

    def generate(
        self,
        counts: Mapping[str, int],
        *,
        random_seed: int | None = None,
        workers: int = 1,
        templates: int | None = None,
    ) -> GenerateResult:
        """Make up documents from the declarations and the rules of `generate.py`: those numbered 1 to `count` of each
        collection, as far as they are not there.

        A document depends only on the random seed (the project's, without one), its collection and its number; and its
        references on how many there are to refer to. Documents are made ahead of the writing, on a thread or by so many
        `workers`, processes of their own. With `templates` only so many are made here, and the server makes the rest as
        copies of them, with `_id`s, unique values, dates and references of their own; that takes MongoDB 6.0.

        Takes no lock and writes nothing when all are there. Refused in production. Raises RefusedError, LockHeldError,
        GenerateError before anything is written, SeedDataError for a document that the server refuses, CancelledError
        between two batches.
        """
        from wayra_db.seeds.generation import generate

        return generate(
            self._guard, self._needed_source(), counts, random_seed=random_seed, workers=workers, templates=templates
        )

    def generated(self) -> tuple[GeneratedRecord, ...]:
        """What is known of made-up documents here, by collection. One find; writes nothing."""
        return tuple(history.read_generated(self._guard.deployment).values())

    def profile(self, name: str) -> Mapping[str, int]:
        """How many documents of which collection a profile of `generate.py` has. Raises GenerateError."""
        from wayra_db.seeds.generate.project_file import load_rules

        return load_rules(self._needed_source().rules_path).profile(name)

    def generated_document(self, collection: str, number: int, *, random_seed: int | None = None) -> Mapping[str, Any]:
        """The made-up document of this number, made again by itself. Reads how many there are to refer to; writes
        nothing. Refused in production. Raises RefusedError and GenerateError.
        """
        from wayra_db.seeds.generation import document

        self._guard.require(Action.SEED)
        return document(self._guard, self._needed_source(), collection, number, random_seed=random_seed)

    def _needed_source(self) -> Source:
        if self._source is None:
            raise GenerateError("documents are made up from the declarations of a project", hint="Use Project.seeds.")
        return self._source

    def clearable(self, names: Sequence[str] = ()) -> SeedClearing:
        """What `clear` would delete: how many documents each seed has made, some of which may be gone. Reads only."""
        made = count_made(self._guard.deployment)
        return SeedClearing({name: made[name] for name in self._clearable(names, made) if name in made})

    def clear(self, names: Sequence[str] = ()) -> SeedClearing:
        """Delete the documents that seeds have made, with all edits made to them since, and forget that these ran.

        All seeds', or only those of `names`; also of seeds whose files are gone. What a seed only changed stays. It is
        forgotten first that they ran, so that a clearing that is cut off is finished by the next one, and what is
        missing then comes back with the next run. Development and test only. Raises RefusedError, LockHeldError.
        """
        guard = self._guard
        guard.require(Action.CLEAR)
        deleted: dict[str, dict[str, int]] = {}
        with guard.changing(Action.CLEAR, "seed clear") as lease:
            chosen = self._clearable(names)
            if not chosen:
                return SeedClearing({})
            lease.write({"event": "seed clear started", "names": chosen}, history.forget(chosen))

            def check() -> None:
                guard.stop.check()
                lease.check()

            for name in reversed(chosen):
                run = SeedRun(
                    name, guard.deployment.database, None, is_async=False, observer=guard.observer, check=check
                )
                with translated(guard.deployment.address):
                    deleted[name] = run.answer(clear_steps(run))
            result = SeedClearing({name: counts for name, counts in deleted.items() if counts})
            lease.write({"event": "seeds cleared", "names": chosen, "deleted": result.documents})
        return result

    def _clearable(self, names: Sequence[str], made: Mapping[str, Mapping[str, int]] | None = None) -> list[str]:
        """The seeds that the database knows of, or those of `names`; one that it does not know of is an error."""
        deployment = self._guard.deployment
        known = {*history.read_records(deployment), *(count_made(deployment) if made is None else made)}
        for name in names:
            if name not in known:
                raise SeedNotFoundError(
                    f"this database knows of no seed {name!r}", name=name, hint="See `wayra-db seed status`."
                )
        return list(names) or sorted(known)


def _fresh(plan: SeedPlan, names: Sequence[str]) -> frozenset[str]:
    """Of a run of single seeds, these alone: what they depend on was not asked to be made anew."""
    return frozenset(planned.seed.name for planned in plan.run if not names or planned.seed.name in names)
