"""What `seed(db, ctx)` may use besides the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any

from wayra_db.context import Context
from wayra_db.seeds.references import Reference, reference
from wayra_db.seeds.run import SeedDataError, SeedRun
from wayra_db.seeds.upsert import Given, Upsert


@dataclass(frozen=True, slots=True)
class SeedContext(Context):
    """A Context with what makes a seed one that can be run again."""

    _run: SeedRun

    def upsert(
        self,
        collection: str,
        documents: Iterable[Mapping[str, Any]],
        *,
        key: str | Sequence[str],
        keep_edits: bool = True,
    ) -> Any:
        """Put documents into `collection`, each found by the field or fields of `key`; returns how many of what.

            ctx.upsert("users", [{"email": "ada@example.com", "name": "Ada"}], key="email")

        What is missing is inserted, with an `_id` that is always the same where the document brings none. In what is
        there, each field is set that still holds what this seed wrote last; what a person has edited since is kept,
        unless `keep_edits` is false. Works in batches of a thousand; between two it ends when asked to stop. In an
        `async def` it is to be awaited. Raises SeedDataError, which names the document.
        """
        fields = (key,) if isinstance(key, str) else tuple(key)
        if not fields:
            raise SeedDataError("ctx.upsert needs the name of a field as `key`")
        if isinstance(documents, Mapping):
            raise SeedDataError("ctx.upsert takes a list of documents, not one", hint="Put it in square brackets.")
        total = len(documents) if isinstance(documents, Sized) else None
        given = (Given(document, number) for number, document in enumerate(documents, 1))
        return self._run.answer(Upsert(self._run, collection, fields, keep_edits=keep_edits).steps(given, total))

    def generate(self, collection: str, *, count: int, random_seed: int | None = None) -> Any:
        """Have documents made up from the collection's declaration and the rules in `generate.py`: those numbered 1 to
        `count`, as far as they are not there; returns how many were made.

            ctx.generate("users", count=1000)

        A random seed, that of the project without one, always makes the same documents. In a transaction at most ten
        thousand. Works in batches of two thousand; between two it ends when asked to stop. In an `async def` it is to
        be awaited. Raises GenerateError and SeedDataError, which name field or document.
        """
        from wayra_db.seeds.generation import generate_steps

        return self._run.answer(generate_steps(self._run, collection, count, random_seed))

    def ref(self, collection: str, /, **key: Any) -> Reference:
        """What stands, in a document that is given to `upsert`, for the `_id` of the one that has these values.

            {"title": "Lisbon", "owner": ctx.ref("users", email="ada@example.com")}

        References are looked up together, a query for each collection and batch. A dotted field is named by `**`:
        `ctx.ref("users", **{"profile.handle": "ada"})`.
        """
        try:
            return reference(collection, key)
        except ValueError as error:
            raise SeedDataError(str(error)) from error
