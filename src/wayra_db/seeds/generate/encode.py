"""Compiles a plan into a function that makes a document's BSON, without ever making a dictionary.

Values that are chosen are encoded once, with the names of their fields, and joined; only numbers, dates, references and
unique values are encoded for each document. An array has a compiled maker for each of its places. What other fields
depend on is worked out first, into registers at the end of the document's draws: `draws[-1]` is the document's number
less one, `draws[-2]`, `draws[-3]`, ... are the registers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import groupby
from random import Random
from typing import Any

from wayra_db.errors import GenerateError
from wayra_db.seeds.generate.counted import FieldChoice
from wayra_db.seeds.generate.draws import RANGE, drawer, permuter, ranker
from wayra_db.seeds.generate.identity import Target
from wayra_db.seeds.generate.model import (
    Array,
    Call,
    Choice,
    Field,
    Later,
    Lattice,
    Mixed,
    Moment,
    More,
    Node,
    Number,
    Object,
    Plan,
    Reference,
    Serial,
    SerialBytes,
    SerialChoice,
    SerialText,
    Template,
)
from wayra_db.seeds.generate.patterns import nth
from wayra_db.seeds.generate.pieces import (
    DOUBLE,
    FRAGMENTS,
    INT32,
    INT64,
    TYPES,
    Draws,
    Make,
    constant,
    element,
    is_ordered,
    is_small,
    joined,
    needs,
    number_putter,
    plain_values,
    references,
    wrapped,
)

_MOST_SLOTS = 100_000


def compile_plan(plan: Plan, targets: Mapping[str, Target]) -> Callable[[int], bytes]:
    """A function from a document's number, counted from 1, to its BSON.

    `targets` are the collections that it refers to. Raises GenerateError for a field that depends on one that there is
    not, or on itself, and for references to nothing.
    """
    compiler = _Compiler(plan, targets)
    make = compiler.root(plan.root)
    draw = drawer(plan.random_seed, plan.collection, compiler.slots)
    registers = [None] * (compiler.registers - 1)
    prelude = tuple(compiler.prelude)

    def document(number: int) -> bytes:
        draws = [*draw(number), *registers, number - 1]
        for step in prelude:
            step(draws)
        return make(draws)

    return document


@dataclass(slots=True)
class _Scope:
    """An object around a field: the registers of what is inside it, by their dotted paths from it."""

    found: dict[str, tuple[int, str]] = field(default_factory=dict)
    depth: int = 0


class _Compiler:
    def __init__(self, plan: Plan, targets: Mapping[str, Target]) -> None:
        self._plan = plan
        self._targets = targets
        self.slots = 0
        self.registers = 1
        self.prelude: list[Callable[[Draws], None]] = []
        self._scopes: list[_Scope] = []
        self._names: list[str] = []
        self._wanted = {path.rpartition(".")[2] for path in needs(plan.root)}
        # How a unique value is numbered: by the document's number, times `_many` places of an array, plus `_offset`.
        self._many = 1
        self._offset = 0
        self._base = -1
        self._referred: dict[str, list[int]] = {}
        self._repeated = {name for name, times in references(plan.root).items() if times > 1}

    def root(self, node: Node) -> Make:
        """The maker of a whole document."""
        nodes = node.nodes if isinstance(node, Mixed) else (node,)
        bodies = [joined(self._body(one)) for one in nodes if isinstance(one, Object)]
        slot = self._slot() if len(bodies) > 1 else 0

        only = bodies[0]

        def either(draws: Draws) -> bytes:
            body: Make = bodies[draws[slot] % len(bodies)]
            return body(draws)

        return wrapped(b"", [either if len(bodies) > 1 else only])

    def _slot(self) -> int:
        self.slots += 1
        if self.slots > _MOST_SLOTS:
            raise GenerateError(
                f"a document of {self._plan.collection} would hold more than {_MOST_SLOTS:,} values",
                collection=self._plan.collection,
                hint="Give its arrays a Length in generate.py.",
            )
        return self.slots - 1

    def _register(self) -> int:
        self.registers += 1
        return -self.registers

    def _draw(self, count: int) -> Callable[[Draws], int]:
        """A function to a number below `count`."""
        slot = self._slot()
        if count <= RANGE >> 8:
            return lambda draws: draws[slot] % count
        more = self._slot()
        return lambda draws: (draws[slot] << 32 | draws[more]) % count

    # --- the tree --------------------------------------------------------------------------------------------------

    def _make(self, node: Node, name: str) -> Make:
        """The maker of an element: type, name and value."""
        key = name.encode() + b"\0"
        self._names.append(name)
        try:
            match node:
                case Object():
                    return wrapped(b"\x03" + key, self._body(node))
                case Array():
                    return self._array(node, key)
                case Mixed():
                    makers = [self._make(one, name) for one in node.nodes]
                    size, slot = len(makers), self._slot()
                    return lambda draws: makers[draws[slot] % size](draws)
                case Template():
                    return self._template(node, key)
                case Call():
                    return self._call(node, name)
                case Reference():
                    return self._reference(node, key)
                case Serial() | SerialText() | SerialChoice() | SerialBytes():
                    return self._serial(node, name, key)
                case _:
                    return self._plain(node, name, key)
        finally:
            self._names.pop()

    def _body(self, node: Object) -> list[Make]:
        """The elements of an object, one after the other."""
        scope = _Scope(depth=len(self._names))
        self._scopes.append(scope)
        try:
            if node.together or node.most is not None or node.least > sum(one.share == 1.0 for one in node.fields):
                return [self._counted(node)]
            others = [one for one in node.fields if not is_small(one.node, one.name, self._wanted)]
            made = {one.name: self._maybe(self._make(one.node, one.name), one.share) for one in self._ordered(others)}
            makers: list[Make] = []
            for small, run in groupby(node.fields, lambda one: one.name not in made):
                fields = list(run)
                makers += [self._pooled(fields)] if small else [made[one.name] for one in fields]
            return makers
        finally:
            self._scopes.pop()

    # --- fragments -------------------------------------------------------------------------------------------------

    def _pooled(self, run: Sequence[Field]) -> Make:
        """Neighbouring fields of which all values are few: some thousand fragments, each made when it first comes."""
        outer, self.slots = self.slots, 0
        body = joined([self._maybe(self._make(one.node, one.name), one.share) for one in run])
        path = ".".join([*self._names, run[0].name])
        draw = drawer(self._plan.random_seed, f"{self._plan.collection}/{path}", self.slots)
        self.slots = outer
        slot = self._slot()
        fragments: list[bytes | None] = [None] * FRAGMENTS

        def make(draws: Draws) -> bytes:
            at: int = draws[slot] % FRAGMENTS
            found = fragments[at]
            if found is None:
                fragments[at] = found = body([*draw(at), 0])
            return found

        return make

    def _ordered(self, fields: Sequence[Field]) -> list[Field]:
        """Fields behind those that they depend on."""
        by_name = {one.name: one for one in fields}
        behind = {
            one.name: {
                first for path in needs(one.node) if (first := path.split(".")[0]) in by_name and first != one.name
            }
            for one in fields
        }
        try:
            return [by_name[name] for name in TopologicalSorter(behind).static_order()]
        except CycleError as error:
            raise self._wrong(f"{' and '.join(dict.fromkeys(error.args[1]))} depend on each other") from error

    def _maybe(self, make: Make, share: float) -> Make:
        if share >= 1:
            return make
        slot, limit = self._slot(), int(share * RANGE)
        return lambda draws: make(draws) if draws[slot] < limit else b""

    def _counted(self, node: Object) -> Make:
        """An object whose number of fields is bounded, or some of whose fields come together."""
        made = {one.name: self._make(one.node, one.name) for one in self._ordered(node.fields)}
        slots = {one.name: self._slot() for one in node.fields}
        choice = FieldChoice.of(node)
        if choice is None:
            raise self._wrong(f"maxProperties: more than {node.most} fields are always there")
        names = tuple(made)

        def make(draws: Draws) -> bytes:
            chosen = choice.choose({name: draws[slot] for name, slot in slots.items()})
            return b"".join([made[name](draws) for name in names if name in chosen])

        return make

    def _array(self, node: Array, key: bytes) -> Make:
        many, offset, base = self._many, self._offset, self._base
        size = len(node.positions)
        makers = []
        if node.distinct and base == -1:
            self._base = self._distinct_base()
            self._many, self._offset = 1, 0
        outer_many, outer_offset = self._many, self._offset
        scopes, self._scopes = self._scopes, [*self._scopes]
        for at, position in enumerate(node.positions):
            self._many, self._offset = outer_many * size, outer_offset * size + at
            if self._base != -1:
                self._many, self._offset = 1, outer_offset * size + at
            # What is inside an element is known to the element alone.
            self._scopes = [_Scope(dict(one.found), one.depth) for one in scopes]
            makers.append(self._make(position, str(at)))
        self._scopes = scopes
        self._many, self._offset, self._base = many, offset, base
        head, low = b"\x04" + key, node.low
        if size == 0:
            return lambda draws: head + b"\x05\0\0\0\0"
        if low == size:
            return wrapped(head, makers)
        # Short more often than long.
        table = [low + extra for extra in range(size - low + 1) for _ in range(max(1, round(12 / (1 + extra))))]
        slot, choices = self._slot(), len(table)

        def make(draws: Draws) -> bytes:
            count = table[draws[slot] % choices]
            body = b"".join([one(draws) for one in makers[:count]])
            return head + INT32(len(body) + 5) + body + b"\0"

        return make

    def _distinct_base(self) -> int:
        """A register with a number from which the values of an array's elements are counted on."""
        register, slot = self._register(), self._slot()

        def step(draws: Draws) -> None:
            draws[register] = draws[slot]

        self.prelude.append(step)
        return register

    # --- unique values ---------------------------------------------------------------------------------------------

    def _index(self) -> Callable[[Draws], int]:
        many, offset, base = self._many, self._offset, self._base
        if many == 1 and offset == 0:
            return lambda draws: int(draws[base])
        return lambda draws: int(draws[base] * many + offset)

    def _serial(self, node: Serial | SerialText | SerialChoice | SerialBytes, name: str, key: bytes) -> Make:
        index = self._index()
        path = ".".join(part for part in self._names if not part.isdigit())
        if isinstance(node, SerialBytes):
            return self._serial_bytes(node, path, key, index)
        room = node.room
        a, b = permuter(self._plan.random_seed, f"{self._plan.collection}.{path}", room)
        if isinstance(node, SerialChoice):
            elements = [element(name, value) for value in node.values]
            return lambda draws: elements[(a * index(draws) + b) % room]
        if isinstance(node, SerialText):
            head, classes = TYPES["string"] + key, node.classes

            def make(draws: Draws) -> bytes:
                text = nth(classes, (a * index(draws) + b) % room).encode()
                return head + INT32(len(text) + 1) + text + b"\0"

            return make
        put = number_putter(node.kind, key)
        lattice = node.lattice
        return lambda draws: put(lattice.at((a * index(draws) + b) % room))

    def _serial_bytes(self, node: SerialBytes, path: str, key: bytes, index: Callable[[Draws], int]) -> Make:
        target = Target.made(self._plan.random_seed, self._plan.collection, 0, path)
        head = b"\x07" + key if node.kind == "objectId" else b"\x05" + key + INT32(12) + b"\0"
        prefix = head + target.prefix
        return lambda draws: prefix + bytes.fromhex(f"{index(draws) + 1:012d}")

    def _template(self, node: Template, key: bytes) -> Make:
        head = TYPES["string"] + key
        index = self._index()
        parts: list[Callable[[Draws], bytes]] = []
        for part in node.parts:
            if part is None:
                parts.append(lambda draws: b"%d" % (index(draws) + 1))
            elif isinstance(part, str):
                parts.append(constant(part.encode()))
            else:
                parts.append(self._word([word.encode() for word in part]))

        def make(draws: Draws) -> bytes:
            text = b"".join([part(draws) for part in parts])
            return head + INT32(len(text) + 1) + text + b"\0"

        return make

    def _word(self, words: Sequence[bytes]) -> Callable[[Draws], bytes]:
        slot, size = self._slot(), len(words)
        return lambda draws: words[draws[slot] % size]

    # --- references ------------------------------------------------------------------------------------------------

    def _reference(self, node: Reference, key: bytes) -> Make:
        target = self._targets.get(node.collection)
        if target is None or target.count == 0:
            raise self._wrong(
                f"it refers to {node.collection}, where there is nothing to refer to",
                f"Make some first, or in the same run: wayra-db seed generate {node.collection}.",
            )
        count, referring = target.count, target.element(key)
        if node.serial:
            index = self._index()
            a, b = permuter(self._plan.random_seed, f"{self._plan.collection}->{node.collection}", count)
            return lambda draws: referring((a * index(draws) + b) % count)
        # A rank is no number: the documents that are referred to most are spread over all of them.
        a, b = permuter(0, f"{node.collection}", count)
        rank, slot = ranker(count, node.exponent), self._slot()
        if node.collection not in self._repeated:
            return lambda draws: referring((a * rank(draws[slot]) + b) % count)
        register = self._register()
        others = self._referred.setdefault(node.collection, [])
        others.append(register)

        def make(draws: Draws) -> bytes:
            chosen = rank(draws[slot])
            # Registers of references that come later, or not at all in a short array, are still empty.
            while len(others) < count and chosen in [draws[one] for one in others]:
                chosen = (chosen + 1) % count
            draws[register] = chosen
            return referring((a * chosen + b) % count)

        return make

    # --- plain values, and those that others depend on -------------------------------------------------------------

    def _plain(self, node: Node, name: str, key: bytes) -> Make:
        if name in self._wanted and is_ordered(node):
            return self._remembered(node, key)
        match node:
            case Choice(values):
                elements = [element(name, value) for value in values]
                if len(elements) == 1:
                    return constant(elements[0])
                slot, size = self._slot(), len(elements)
                return lambda draws: elements[draws[slot] % size]
            case Number(kind, lattice):
                return self._number(kind, lattice, key)
            case Moment(low, high):
                return self._number("date", Lattice(low // 1000, (high - low) // 1000, 1, 1000), key, low % 1000)
            case Later() | More():
                value, type_ = self._valued(node)
                put = number_putter(type_, key)
                return lambda draws: put(value(draws))
        raise TypeError(f"there is no maker for {type(node).__name__}")

    def _number(self, kind: str, lattice: Lattice, key: bytes, more: int = 0) -> Make:
        """The quick way for the two encodings that nearly all numbers have."""
        head, low, size = TYPES[kind] + key, lattice.low, lattice.steps + 1
        if size <= RANGE >> 4 and kind != "decimal":
            slot, scale, factor = self._slot(), lattice.scale, lattice.factor
            if kind == "double":
                return lambda draws: head + DOUBLE((low + draws[slot] % size) * factor / scale)
            pack = INT32 if kind == "int" else INT64
            return lambda draws: head + pack((low + draws[slot] % size) * factor + more)
        put, draw = number_putter(kind, key), self._draw(size)
        return lambda draws: put(lattice.at(draw(draws)) + more)

    def _remembered(self, node: Node, key: bytes) -> Make:
        """A value that goes through a register; its maker encodes what is there."""
        value, kind = self._valued(node)
        register = self._register()

        def step(draws: Draws) -> None:
            draws[register] = value(draws)

        self.prelude.append(step)
        for scope in self._scopes:
            path = ".".join(part for part in self._names[scope.depth :] if not part.isdigit())
            scope.found[path] = (register, "date" if kind == "date" else "number")
        put = number_putter(kind, key)
        return lambda draws: put(draws[register])

    def _valued(self, node: Node) -> tuple[Callable[[Draws], Any], str]:
        """A function to a number or to milliseconds, and the type that it is stored as."""
        match node:
            case Moment(low, high):
                draw = self._draw((high - low) // 1000 + 1)
                return (lambda draws: low + draw(draws) * 1000), "date"
            case Number(kind, lattice):
                draw = self._draw(lattice.steps + 1)
                return (lambda draws: lattice.at(draw(draws))), kind
            case Choice(values):
                plain, kind_ = plain_values(values)
                draw = self._draw(len(plain))
                return (lambda draws: plain[draw(draws)]), kind_
            case Later(path, span):
                base, draw = self._base_of(path, "date"), self._draw(span // 1000 + 1)
                return (lambda draws: draws[base] + draw(draws) * 1000), "date"
            case More(path, span, kind, lattice):
                base, slot = self._base_of(path, "number"), self._slot()

                def more(draws: Draws) -> int | float:
                    first, last = lattice.next_to(draws[base]), lattice.last_to(draws[base] + span)
                    return lattice.at(first + draws[slot] % (last - first + 1) if last > first else first)

                return more, kind
        raise TypeError(f"{type(node).__name__} has no order")

    def _base_of(self, path: str, kind: str) -> int:
        for scope in reversed(self._scopes):
            if path in scope.found:
                register, found = scope.found[path]
                if found != kind:
                    raise self._wrong(f"it follows {path!r}, which is no {kind}")
                return register
        raise self._wrong(
            f"it follows {path!r}, which is no {kind} that is made here",
            "Name a field of the same object or of one around it.",
        )

    # --- the rest --------------------------------------------------------------------------------------------------

    def _call(self, node: Call, name: str) -> Make:
        place = ".".join(self._names)
        seed, collection, function = self._plan.random_seed, self._plan.collection, node.function

        def make(draws: Draws) -> bytes:
            chance = Random(f"{seed}:{collection}:{draws[-1]}:{place}")  # noqa: S311 - made-up data
            value = function(chance)
            try:
                return element(name, value)
            except Exception as error:
                raise GenerateError(
                    f"{collection}.{place}: what its function returned cannot be stored: {error}",
                    collection=collection,
                    field=place,
                ) from error

        return make

    def _wrong(self, why: str, hint: str = "Change the rule in generate.py.") -> GenerateError:
        path = ".".join(part for part in self._names if not part.isdigit())
        collection = self._plan.collection
        return GenerateError(f"{collection}.{path}: {why}", collection=collection, field=path, hint=hint)
