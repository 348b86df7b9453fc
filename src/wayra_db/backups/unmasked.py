"""Whether live collections hold sensitive values, or only what a redacted backup has put in their place.

A masked value cannot be told from a real one by its looks alone, so a collection counts as masked only when the log
says that a restore has filled it from a redacted backup, and every value looks like a mask as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from wayra_db import audit
from wayra_db.backups.redact import DOMAIN, TEXT, TOKEN_WIDTH
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated
from wayra_db.schema.mask import Mask

# From the journal on a restore is true, whoever finishes it. What comes after one may bring real values.
_FILLED = "restore swapping"
_EMPTIED = ("reset started", "clear started")
_TOKEN = f"[0-9a-f]{{{TOKEN_WIDTH}}}"
_LOOKS: Mapping[str, str] = {
    Mask.TEXT.value: TEXT,
    Mask.TOKEN.value: _TOKEN,
    Mask.EMAIL.value: f"{_TOKEN}{re.escape(DOMAIN)}",
}
# Everything but text, and null, which is left as it is. A mask never is one of these.
_OTHER_TYPES = (
    "double", "object", "array", "binData", "objectId", "bool", "date", "regex", "dbPointer", "javascript", "symbol",
    "javascriptWithScope", "int", "timestamp", "long", "decimal", "minKey", "maxKey",
)  # fmt: skip


def masked_already(deployment: Deployment, targets: Mapping[str, Mapping[str, str]]) -> frozenset[str]:
    """Which of these collections hold no sensitive value that a restore has not put there. `targets` maps each to its
    sensitive paths with the names of their masks. A read of the log for each, and a scan that ends at the first value.
    """
    database = deployment.metadata
    found = set()
    with translated(deployment.address):
        for name, paths in targets.items():
            about = {"$or": [{"event": _FILLED, "collections": name}, {"event": {"$in": list(_EMPTIED)}}]}
            last = database[audit.COLLECTION].find_one(about, {"redacted": 1}, sort=[("_id", -1)])
            if name not in (last or {}).get("redacted", ()):
                continue
            if database[name].find_one({"$or": list(_unmasked(paths))}, {"_id": 1}) is None:
                found.add(name)
    return frozenset(found)


def _unmasked(paths: Mapping[str, str]) -> Iterable[dict[str, Any]]:
    """Filters, of which each finds documents with a value that is no mask."""
    for path, mask in paths.items():
        looks = _LOOKS.get(mask)
        if looks is None:
            yield {path: {"$exists": True}}
        else:
            yield {path: {"$regex": f"^(?!{looks}$)", "$options": "s"}}
            yield {path: {"$type": list(_OTHER_TYPES)}}
