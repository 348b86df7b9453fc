"""What the name of a field says of it: which words it holds, and after which other field it comes. Pure."""

from __future__ import annotations

from collections.abc import Collection

from wayra_db.seeds.generate.words import BY_NAME

_AFTER = {
    "updatedat": ("createdat",),
    "modifiedat": ("createdat",),
    "lastloginat": ("createdat",),
    "lastseenat": ("createdat",),
    "publishedat": ("createdat",),
    "deletedat": ("updatedat", "createdat"),
    "completedat": ("startedat", "createdat"),
    "endedat": ("startedat",),
    "finishedat": ("startedat",),
    "end": ("start",),
    "enddate": ("startdate",),
    "enddatetime": ("startdatetime",),
    "endsat": ("startsat",),
    "endat": ("startat",),
    "endtime": ("starttime",),
    "to": ("from",),
    "until": ("from", "since"),
    "checkout": ("checkin",),
}


def plain(name: str) -> str:
    """A name as names are compared: `created_at` is `createdAt`."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def pool_of(name: str) -> str | None:
    """The pool whose words a field of this name holds, the plural included."""
    key = plain(name)
    return BY_NAME.get(key) or BY_NAME.get(key.removesuffix("s"))


def is_email(name: str) -> bool:
    """Whether it is an address of electronic mail."""
    return plain(name).endswith(("email", "emailaddress", "mail"))


def comes_after(name: str, siblings: Collection[str]) -> str | None:
    """The sibling that a date of this name is not before."""
    for earlier in _AFTER.get(plain(name), ()):
        for sibling in siblings:
            if plain(sibling) == earlier:
                return sibling
    return None


def is_at_least(name: str, siblings: Collection[str]) -> str | None:
    """The sibling that a number of this name is not below: `max` and `min`, `maxPrice` and `minPrice`."""
    key = plain(name)
    for large, small in (("maximum", "minimum"), ("max", "min")):
        if key.startswith(large):
            wanted = small + key.removeprefix(large)
        elif key.endswith(large):
            wanted = key.removesuffix(large) + small
        else:
            continue
        return next((sibling for sibling in siblings if plain(sibling) == wanted), None)
    return None
