"""Why the server refused a document, in words that name fields and rules and never a value. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

DUPLICATE_KEY = 11000
VALIDATION_FAILED = 121


def reason_of(error: Mapping[str, Any]) -> str:
    """The reason in a write error of the server's reply."""
    code = error.get("code")
    if code == DUPLICATE_KEY:
        fields = ", ".join(error.get("keyPattern") or ()) or "a unique index"
        return f"duplicate key: another document has the same {fields}"
    if code == VALIDATION_FAILED:
        broken = list(dict.fromkeys(_broken((error.get("errInfo") or {}).get("details"))))
        return f"the validator refuses it{': ' if broken else ''}{'; '.join(broken[:5])}"
    return f"the server refuses it (code {code})"


def _broken(details: Any, path: str = "") -> Iterator[str]:
    """The rules in a validator's explanation, by the paths of their fields."""
    if isinstance(details, list):
        for part in details:
            yield from _broken(part, path)
    if not isinstance(details, Mapping):
        return
    inner = path
    if isinstance(name := details.get("propertyName"), str):
        inner = f"{path}.{name}" if path else name
    below = [
        details[key]
        for key in ("schemaRulesNotSatisfied", "propertiesNotSatisfied", "clausesNotSatisfied", "details")
        if key in details
    ]
    operator = details.get("operatorName")
    if "missingProperties" in details:
        missing = ", ".join(f"{inner}.{one}" if inner else str(one) for one in details["missingProperties"])
        yield f"missing {missing}"
    elif "additionalProperties" in details and isinstance(details["additionalProperties"], list):
        names = ", ".join(map(str, details["additionalProperties"]))
        yield f"not in the schema: {names}"
    elif below:
        for part in below:
            yield from _broken(part, inner)
    elif isinstance(operator, str) and operator != "$jsonSchema":
        yield f"{inner or 'document'} breaks {operator}"
