"""Comments that suppress findings: `# wayra: ignore[MG101] reason`, and `# wayra: ignore-file[MG501] reason`.

A comment counts for its own line, for the statement that it ends, or, alone on its line, for the next line of code.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from wayra_db.migrations.lint.model import Rule

_COMMENT = re.compile(r"#\s*wayra:\s*ignore(?P<file>-file)?\b\s*(?:\[(?P<rules>[^\]]*)\])?(?P<rest>.*)")


@dataclass(frozen=True, slots=True)
class Suppression:
    """One rule that a comment suppresses, by what the comment calls it; empty when it names none.

    `counts_for` is the line of code for which it counts, None for the whole file.
    """

    rule: str
    reason: str
    line: int
    column: int
    end_column: int
    counts_for: int | None = None

    def covers(self, line: int, end_line: int) -> bool:
        """Whether it counts for a finding in the code from `line` to `end_line`."""
        return self.counts_for is None or line <= self.counts_for <= end_line


@dataclass(frozen=True, slots=True)
class CommentFacts:
    """What the engine knows of a suppression: its rule (None: unknown), whether it has suppressed anything, the rules
    that are running, and what to say if nobody knows its rule.
    """

    rule: Rule | None
    used: bool
    running: Collection[Rule]
    advice: str


def read_suppressions(text: str) -> tuple[Suppression, ...]:
    """The suppressions of a file, one for each rule that a comment names."""
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    found: list[Suppression] = []
    for number, token in enumerate(tokens):
        match = _COMMENT.match(token.string) if token.type == tokenize.COMMENT else None
        if match is not None:
            found += _of_comment(match, token, _counts_for(tokens, number))
    return tuple(found)


def _of_comment(match: re.Match[str], token: tokenize.TokenInfo, line: int) -> Iterator[Suppression]:
    names = [name.strip() for name in (match["rules"] or "").split(",") if name.strip()] or [""]
    reason = match["rest"].strip().lstrip("-–:").strip()
    counts_for = None if match["file"] else line
    for name in names:
        yield Suppression(name, reason, token.start[0], token.start[1] + 1, token.end[1] + 1, counts_for)


def _counts_for(tokens: Sequence[tokenize.TokenInfo], number: int) -> int:
    """The comment's own line; of a comment that stands alone, the next line with code on it."""
    token = tokens[number]
    if token.line[: token.start[1]].strip():
        return token.start[0]
    nothing = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    return next((one.start[0] for one in tokens[number:] if one.type not in nothing), token.start[0])
