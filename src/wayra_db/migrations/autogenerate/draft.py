"""A migration file under construction: constants, blocks of statements, and the helpers and imports they need."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Any

from wayra_db.migrations.autogenerate.literals import INDENT, LINE_LENGTH, Literals, Raw, import_lines

# The server's error codes that say that a statement's work is done already, or that two indexes cannot both stand.
CODES = {
    "NAMESPACE_NOT_FOUND": 26,
    "INDEX_NOT_FOUND": 27,
    "NAMESPACE_EXISTS": 48,
    "INDEX_OPTIONS_CONFLICT": 85,
    "INDEX_KEY_SPECS_CONFLICT": 86,
}


class Draft:
    """What the blocks of one file share."""

    def __init__(self) -> None:
        self.literals = Literals()
        self.constants: list[str] = []
        self.helpers: set[str] = set()
        self._names: dict[tuple[str, ...], str] = {}

    def constant(self, collection: str, *label: str, value: Any) -> Raw:
        """The name of the constant for this part of a collection; the first call writes it."""
        key = (collection, *label)
        if key not in self._names:
            name = self._free("_".join(key))
            self._names[key] = name
            self.constants += self.literals.lines(value, before=f"{name} = ")
        return Raw(self._names[key])

    def _free(self, words: str) -> str:
        base = re.sub(r"[^A-Z0-9]+", "_", words.upper()).strip("_")
        base = f"C_{base}" if base[0].isdigit() else base
        taken = {*self._names.values(), *CODES}
        name, number = base, 2
        while name in taken:
            name, number = f"{base}_{number}", number + 1
        return name

    def block(self) -> Block:
        """A new, empty block of this file."""
        return Block(self)

    def source(self, docstring: Iterable[str], up: Iterable[Block], down: Iterable[Block]) -> str:
        """The text of the whole file."""
        functions = [*_function("up", up), *_function("down", down)]
        helpers = [_helpers()[name] for name in _with_callees(self.helpers)]
        used = "\n".join([*functions, *helpers])
        if "@contextmanager" in used:
            self.literals.use("contextlib", "contextmanager")
        if "OperationFailure" in used:
            self.literals.use("pymongo.errors", "OperationFailure")
        codes = [f"{name} = {code}" for name, code in CODES.items() if re.search(rf"\b{name}\b", used)]
        parts = [
            "\n".join(['"""', *docstring, '"""']),
            "\n".join(import_lines(self.literals.imports)),
            "# Outside transactions, and each statement may be repeated: a run that was stopped\n"
            '# goes on by itself.\nretry = "safe"',
            "\n".join(codes),
            "\n".join(self.constants),
        ]
        head = "\n\n".join(part for part in parts if part)
        return "\n".join([head, *functions, *(line for helper in helpers for line in ("", "", helper))]) + "\n"


class Block:
    """Statements of `up` or `down`, indented by one level, with comments that say what they do and cost."""

    def __init__(self, draft: Draft) -> None:
        self.lines: list[str] = []
        self._draft = draft

    def say(self, text: str) -> None:
        """A comment."""
        self.lines += wrapped(text, f"{INDENT}# ")

    def code(self, *lines: str) -> None:
        """Lines as they are."""
        self.lines += [f"{INDENT}{line}" for line in lines]

    def example(self, *lines: str) -> None:
        """Code that a person may bring to life by taking `# ` away."""
        self.lines += [f"{INDENT}# {line}".rstrip() for line in lines]
        self._draft.helpers.add("unless")

    def command(self, command: dict[Any, Any], *, unless: Iterable[str] = (), database: str = "db") -> None:
        """A command to the server; one of the errors `unless` means that there is nothing to do any more."""
        codes = ", ".join(unless)
        if codes:
            self._draft.helpers.add("unless")
            self.code(f"with unless({codes}):")
        call = self._draft.literals.call(f"{database}.command", command)
        self.lines += self._draft.literals.lines(call, indent=2 if codes else 1)

    def call(self, helper: str, *arguments: Any, indent: int = 1) -> None:
        """A call of one of the helpers, with the database first."""
        self._draft.helpers.add(helper)
        self.lines += self._draft.literals.lines(
            self._draft.literals.call(helper, Raw("db"), *arguments), indent=indent
        )

    def stop(self, message: str) -> None:
        """Raise: here a person has to decide."""
        self.lines += self._draft.literals.lines(
            self._draft.literals.call("raise NotImplementedError", message), indent=1
        )


def wrapped(text: str, margin: str = "") -> list[str]:
    """Prose as lines, each after `margin`; names are never cut."""
    return textwrap.wrap(
        text,
        LINE_LENGTH,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )


def plain(text: str) -> str:
    """A name or message as it may stand in a comment or a docstring: one line that cannot end either."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line.replace("\\", "/").replace('"""', "'''")


def _function(name: str, blocks: Iterable[Block]) -> list[str]:
    lines: list[str] = []
    for block in blocks:
        if block.lines:
            lines += ["", *block.lines] if lines else block.lines
    return ["", "", f"def {name}(db):", *lines]


@cache
def _helpers() -> dict[str, str]:
    """The helper functions by name, in their order."""
    text = resources.files("wayra_db.migrations").joinpath("templates/repeatable.py.txt").read_text(encoding="utf-8")
    blocks = [block.strip("\n") for block in text.split("\n\n\n")]
    return {re.findall(r"^def (\w+)", block, re.MULTILINE)[0]: block for block in blocks}


def _with_callees(names: set[str]) -> list[str]:
    """The helpers and those that they call, in the order of their file."""
    helpers = _helpers()
    needed: set[str] = set()
    todo = set(names)
    while todo:
        name = todo.pop()
        needed.add(name)
        todo |= {other for other in helpers if re.search(rf"\b{other}\(", helpers[name])} - needed
    return [name for name in helpers if name in needed]
