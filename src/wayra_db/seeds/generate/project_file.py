"""`scripts/generate.py`: a project's rules for made-up documents, its profiles, its languages and its random seed.

from wayra_db.seeds.generate import Numbered, Ref

locales = ["en", "es"]
rules = {"trips": {"owner": Ref("users")}}
profiles = {"demo": {"users": 10, "trips": 30}}
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wayra_db.errors import GenerateError
from wayra_db.seeds.generate.rules import Rule
from wayra_db.sourcefile import SourceFileError, load_module

RANDOM_SEED = 1
_KNOWN = ("locales", "profiles", "random_seed", "rules")


@dataclass(frozen=True, slots=True)
class ProjectRules:
    """What the file says; without one nothing but the declarations count."""

    path: Path | None = None
    random_seed: int = RANDOM_SEED
    locales: Sequence[str] = ()
    rules: Mapping[str, Mapping[str, Rule]] = field(default_factory=dict)
    profiles: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def profile(self, name: str) -> Mapping[str, int]:
        """How many documents of which collection. Raises GenerateError for a profile that there is not."""
        if name not in self.profiles:
            near = difflib.get_close_matches(name, self.profiles, n=1)
            if near:
                hint = f"Did you mean {near[0]!r}?"
            elif self.profiles:
                hint = f"There are {', '.join(self.profiles)}."
            else:
                hint = 'Write into scripts/generate.py: profiles = {"demo": {"users": 10}}'
            raise GenerateError(f"there is no profile {name!r}", path=self.path, hint=hint)
        return self.profiles[name]


def load_rules(path: Path) -> ProjectRules:
    """Read the file by running it; where there is none, no rules. Raises GenerateError with file and line."""
    if not path.is_file():
        return ProjectRules()
    try:
        module = vars(load_module(path, "wayra_generate"))
    except SourceFileError as error:
        raise _wrong(path, error.message, line=error.line) from (error.__cause__ or error)
    for name in module:
        if (
            name not in _KNOWN
            and not name.startswith("_")
            and (near := difflib.get_close_matches(name, _KNOWN, 1, 0.8))
        ):
            raise _wrong(path, f"`{name}` is read by nobody", hint=f"Did you mean `{near[0]}`?")
    seed = module.get("random_seed", RANDOM_SEED)
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise _wrong(path, "`random_seed` must be a whole number")
    locales = module.get("locales", ())
    if isinstance(locales, str) or not all(isinstance(one, str) for one in locales):
        raise _wrong(path, "`locales` must be a list of languages", hint='locales = ["en", "es"]')
    return ProjectRules(path, seed, tuple(locales), _rules(path, module), _profiles(path, module))


def _rules(path: Path, module: Mapping[str, Any]) -> Mapping[str, Mapping[str, Rule]]:
    rules = module.get("rules", {})
    example = 'rules = {"trips": {"owner": Ref("users")}}'
    if not isinstance(rules, Mapping) or not all(isinstance(one, Mapping) for one in rules.values()):
        raise _wrong(path, "`rules` must be an object of collections, each with rules by field", hint=example)
    for collection, fields in rules.items():
        for name, rule in fields.items():
            if not isinstance(rule, Rule):
                raise _wrong(path, f"`rules` has for {collection}.{name} {rule!r}, which is no rule", hint=example)
    return rules


def _profiles(path: Path, module: Mapping[str, Any]) -> Mapping[str, Mapping[str, int]]:
    profiles = module.get("profiles", {})
    example = 'profiles = {"demo": {"users": 10, "trips": 30}}'
    if not isinstance(profiles, Mapping):
        raise _wrong(path, "`profiles` must be an object", hint=example)
    for name, counts in profiles.items():
        if not isinstance(counts, Mapping) or not all(
            isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in counts.values()
        ):
            raise _wrong(path, f"the profile {name!r} must say how many documents of each collection", hint=example)
    return profiles


def _wrong(path: Path, message: str, *, line: int | None = None, hint: str = "") -> GenerateError:
    where = f"{path}:{line}" if line else str(path)
    return GenerateError(f"{where}: {message}", path=path, line=line, hint=hint)
