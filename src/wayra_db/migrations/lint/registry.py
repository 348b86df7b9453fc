"""Finding rules by what people call them: an id in any case, or a slug."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wayra_db.errors import ConfigError
from wayra_db.migrations.lint.model import Rule
from wayra_db.migrations.lint.rules import RULES
from wayra_db.schema.jsonschema import did_you_mean

_BY_NAME = {name: rule for rule in RULES for name in (rule.id.lower(), rule.slug)}


def rule_named(name: str) -> Rule | None:
    """The rule with this id or slug."""
    return _BY_NAME.get(name.lower())


def unknown_rule(name: str) -> str:
    """What to say of a name that no rule has."""
    near = did_you_mean(name, [known for rule in RULES for known in (rule.id, rule.slug)])
    return f"there is no rule {name!r}. {near or 'See `wayra-db migrate lint --list-rules`.'}"


def chosen_rules(*, select: Sequence[str] = (), ignore: Sequence[str] = ()) -> tuple[Rule, ...]:
    """The rules to run: those selected, or all, without those ignored. Raises ConfigError for an unknown one."""
    selected = frozenset(_each(select)) or frozenset(RULES)
    ignored = frozenset(_each(ignore))
    return tuple(rule for rule in RULES if rule in selected and rule not in ignored)


def _each(names: Iterable[str]) -> Iterable[Rule]:
    for name in names:
        rule = rule_named(name)
        if rule is None:
            raise ConfigError(
                unknown_rule(name), key="rule", hint="`wayra-db migrate lint --list-rules` shows what there is."
            )
        yield rule
