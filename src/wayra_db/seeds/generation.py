"""Makes up documents and puts them into their collections: `seed generate`, profiles, and `ctx.generate`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any, cast

from wayra_db.environment import Action
from wayra_db.errors import CancelledError, GenerateError, UnsupportedDeploymentError
from wayra_db.guard import Guard
from wayra_db.locking import Lease
from wayra_db.mongo.errors import translated
from wayra_db.seeds import history
from wayra_db.seeds.generate.copies import changes_of, copied
from wayra_db.seeds.generate.generator import Generator, Source, Task, batches, has_own_ids
from wayra_db.seeds.generate.identity import Target
from wayra_db.seeds.generate.model import Plan
from wayra_db.seeds.generate.multiply import Multiplying, multiply
from wayra_db.seeds.generate.write import Writing, write_steps
from wayra_db.seeds.model import GeneratedRecord, generated_name
from wayra_db.seeds.results import Generated, GenerateResult
from wayra_db.seeds.run import SeedDataError, SeedRun, Steps

# Of a collection whose documents nobody made up, so many are referred to.
FOUND_TARGETS = 10_000
# What a transaction may hold: the server keeps all of it in memory, and gives it a minute.
MOST_IN_A_TRANSACTION = 10_000
# They travel with every statement, which is a message of at most 48 MB.
MOST_TEMPLATES = 5_000


def generate(
    guard: Guard,
    source: Source,
    counts: Mapping[str, int],
    *,
    random_seed: int | None = None,
    workers: int = 1,
    templates: int | None = None,
) -> GenerateResult:
    """Make the documents 1 to `count` of each collection; see SeedManager.generate."""
    guard.require(Action.SEED)
    generator = source.generator()
    seed = generator.rules.random_seed if random_seed is None else random_seed
    names = generator.order(list(counts), seed)
    for name in names:
        if counts[name] < 0:
            raise GenerateError(f"{name}: a count is a whole number of 0 or more", collection=name)
        generator.require_room(name, seed, counts[name])
    if templates is not None:
        _require_multiplying(guard, templates)
    known = history.read_generated(guard.deployment)
    for name in names:
        _require_same(generator, name, seed, known.get(name), templates)
    _require_collections(guard, names)
    if all(_is_there(known.get(name), counts[name]) for name in names):
        return GenerateResult(seed, {name: Generated(0, known[name].count if name in known else 0) for name in names})
    made = {}
    with guard.changing(Action.SEED, "seed generate") as lease:
        known = history.read_generated(guard.deployment)
        for name in names:
            _require_same(generator, name, seed, known.get(name), templates)
        service = _Service(guard, lease, generator, known, counts, seed, workers, templates)
        for name in names:
            guard.stop.check()
            made[name] = service.make(name)
    return GenerateResult(seed, made)


def document(
    guard: Guard, source: Source, collection: str, number: int, *, random_seed: int | None = None
) -> Mapping[str, Any]:
    """One document, made again by itself; see SeedManager.generated_document."""
    import bson

    generator = source.generator()
    seed = generator.rules.random_seed if random_seed is None else random_seed
    if number < 1:
        raise GenerateError("documents are numbered from 1", collection=collection)
    generator.require_room(collection, seed, number)
    refers_to = generator.plan(collection, seed).refers_to
    known = history.read_generated(guard.deployment)
    targets = {
        name: _target(guard, generator, name, seed, known.get(name), known[name].count if name in known else 0)
        for name in refers_to
    }
    make = generator.maker(collection, seed, targets)
    of_these = known.get(collection)
    templates = of_these.templates if of_these and of_these.random_seed == seed else None
    if templates is None or number <= templates:
        return bson.decode(make(number))
    template = bson.decode(make((number - 1) % templates + 1))
    return cast(
        Mapping[str, Any], copied(changes_of(generator.plan(collection, seed), targets), template, number, templates)
    )


class _Service:
    """One run over several collections."""

    def __init__(
        self,
        guard: Guard,
        lease: Lease,
        generator: Generator,
        known: Mapping[str, GeneratedRecord],
        counts: Mapping[str, int],
        random_seed: int,
        workers: int,
        templates: int | None,
    ) -> None:
        self._guard = guard
        self._lease = lease
        self._generator = generator
        self._known = dict(known)
        self._counts = counts
        self._seed = random_seed
        self._workers = workers
        self._templates = templates

    def make(self, name: str) -> Generated:
        """Those of one collection. It is recorded first that they are being made, and last that they are."""
        before = self._known.get(name)
        if _is_there(before, self._counts[name]):
            return Generated(0, before.count if before else 0)
        first = before.count + 1 if before and before.done else 1
        plan = self._generator.plan(name, self._seed)
        count = max(self._counts[name], before.count if before else 0)
        record = GeneratedRecord(name, self._seed, count, plan.fingerprint, done=False, templates=self._templates)
        event = {"collection": name, "randomSeed": self._seed, "count": count}
        targets = {one: self._target(one) for one in plan.refers_to}
        make = self._generator.maker(name, self._seed, targets)
        last = count if self._templates is None else min(count, self._templates)
        copies = self._copies(plan, targets, first, count)
        self._write({"event": "documents generated started", **event}, record)
        writing = Writing(name, self._seed, first, last, has_own_ids(plan))
        source = self._generator.source
        task = Task(source, name, self._seed, targets) if source is not None else None
        run = SeedRun(
            generated_name(name),
            self._guard.deployment.database,
            None,
            is_async=False,
            observer=self._guard.observer,
            check=self._check,
        )
        try:
            with (
                self._guard.stop.protected(),
                translated(self._guard.deployment.address),
                batches(make, first, last, task=task, workers=self._workers) as made,
            ):
                number: int = run.answer(write_steps(run, writing, made)) if first <= last else 0
                if copies is not None:
                    number += multiply(run, copies, make)
        except CancelledError as error:
            raise CancelledError(
                f"{name}: {error.message}",
                signal_name=error.signal_name,
                hint=f"The whole batches that were written stay. {error.hint}",
            ) from error
        self._write({"event": "documents generated", **event, "made": number}, replace(record, done=True))
        return Generated(number, count)

    def _copies(self, plan: Plan, targets: Mapping[str, Target], first: int, count: int) -> Multiplying | None:
        """What the server is to make; None where all is made here."""
        if self._templates is None or count <= self._templates:
            return None
        if not has_own_ids(plan):
            raise GenerateError(f"{plan.collection} has `_id`s of its own, which are not multiplied")
        first = max(first, self._templates + 1)
        changes = changes_of(plan, targets)
        return Multiplying(plan.collection, self._seed, self._templates, first, count, changes)

    def _check(self) -> None:
        self._guard.stop.check()
        self._lease.check()

    def _write(self, event: Mapping[str, Any], record: GeneratedRecord) -> None:
        self._known[record.collection] = record
        self._lease.write(event, history.record_of_generated(record, epoch=self._lease.epoch))

    def _target(self, name: str) -> Target:
        known = self._known.get(name)
        count = max(self._counts.get(name, 0), known.count if known else 0)
        if known and not known.done and name not in self._counts:
            raise GenerateError(
                f"the made-up documents of {name}, to which others refer, are not all there: their run was cut off",
                collection=name,
                hint=f"Finish it first: wayra-db seed generate {name} --count {known.count}",
            )
        return _target(self._guard, self._generator, name, self._seed, known, count)


def _target(
    guard: Guard, generator: Generator, name: str, random_seed: int, known: GeneratedRecord | None, count: int
) -> Target:
    """What references to a collection go to: its made-up documents, or where there are none those that it has."""
    if count:
        return generator.target(name, known.random_seed if known else random_seed, count)
    with translated(guard.deployment.address):
        found = guard.deployment.database[name].find({}, {"_id": True}, sort=[("_id", 1)], limit=FOUND_TARGETS)
        return Target.found([one["_id"] for one in found])


def _is_there(known: GeneratedRecord | None, count: int) -> bool:
    return count == 0 if known is None else known.done and known.count >= count


def _require_multiplying(guard: Guard, templates: int) -> None:
    found = guard.deployment.capabilities
    if found.server_version < (6, 0):
        raise UnsupportedDeploymentError(
            "making copies of documents on the server needs MongoDB 6.0: nothing was written",
            needs="MongoDB 6.0",
            found=found.version,
            hint="Leave --templates out.",
        )
    if not 1 <= templates <= MOST_TEMPLATES:
        raise GenerateError(f"there are 1 to {MOST_TEMPLATES:,} templates", hint="A thousand or two are plenty.")


def _require_same(
    generator: Generator, name: str, random_seed: int, known: GeneratedRecord | None, templates: int | None
) -> None:
    """What is there was made with the same random seed, declaration and rules, or is cleared first."""
    same = known is None or known.fingerprint == generator.plan(name, random_seed).fingerprint
    if known is None or (same and known.templates == templates):
        return
    if same:
        here, there = (f"from {one:,} templates" if one else "one by one" for one in (templates, known.templates))
        why = f"{there}, and not {here}"
    elif known.random_seed != random_seed:
        why = f"with the random seed {known.random_seed}, and not {random_seed}"
    else:
        why = "when the declaration or its rules said something else"
    raise GenerateError(
        f"{name} holds documents that were made {why}",
        collection=name,
        hint=f"Take them away first: wayra-db seed clear {known.name}",
    )


def _require_collections(guard: Guard, names: list[str]) -> None:
    """A collection that is made by the first insert would have neither validator nor unique indexes."""
    with translated(guard.deployment.address):
        there = set(guard.deployment.database.list_collection_names())
    for name in names:
        if name not in there:
            raise GenerateError(
                f"the collection {name} does not exist yet, nor its validator and its unique indexes",
                collection=name,
                hint="Make it as it is declared: wayra-db init",
            )


# --- in a seed -------------------------------------------------------------------------------------------------------


def generate_steps(run: SeedRun, collection: str, count: int, random_seed: int | None) -> Steps[Generated]:
    """The documents 1 to `count` of a collection, made by a seed. Raises SeedDataError and GenerateError."""
    if run.source is None:
        raise SeedDataError("ctx.generate needs the declarations of a project", hint="Open it as a Project.")
    if run.session is not None and count > MOST_IN_A_TRANSACTION:
        raise SeedDataError(
            f"ctx.generate makes at most {MOST_IN_A_TRANSACTION:,} documents in a transaction",
            hint="Write `transactional = False` into the seed; what is there is not made twice, so it can be repeated.",
        )
    generator = run.source.generator()
    seed = generator.rules.random_seed if random_seed is None else random_seed
    generator.require_room(collection, seed, count)
    plan = generator.plan(collection, seed)
    targets = {}
    for name in sorted(plan.refers_to):
        targets[name] = yield from _target_steps(run, generator, name, seed, count if name == collection else 0)
    make = generator.maker(collection, seed, targets)
    writing = Writing(collection, seed, 1, count, has_own_ids(plan))
    with batches(make, 1, count) as made:
        steps = write_steps(run, writing, made)
        with closing(steps):
            number = yield from steps
    run.generated[collection] = (seed, max(count, run.generated.get(collection, (seed, 0))[1]))
    return Generated(number, count)


def _target_steps(run: SeedRun, generator: Generator, name: str, random_seed: int, count: int) -> Steps[Target]:
    made_with, made = run.generated.get(name, (random_seed, 0))
    if count := max(count, made):
        return generator.target(name, made_with, count)
    found = (
        yield lambda database: (
            database[name]
            .find({}, {"_id": True}, sort=[("_id", 1)], limit=FOUND_TARGETS, session=run.session)
            .to_list()
        )
    )
    return Target.found([one["_id"] for one in found])
