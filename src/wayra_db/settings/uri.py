"""MongoDB URIs, read without a driver: showing one without its secrets, and the database that one names."""

from __future__ import annotations

import re
from urllib.parse import unquote

HIDDEN = "***"

_SECRET_OPTION = re.compile(r"pass|pwd|secret|token|credential|authmechanismproperties", re.IGNORECASE)
_HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(:[0-9]+)?")
_OPTION_NAME = re.compile(r"[A-Za-z][\w.]*\Z")


def redact_uri(uri: str) -> str:
    """The URI without its password and without secret options, for showing to people.

    A malformed URI loses too much rather than too little: where a password could begin or end cannot be told, all of
    it is hidden. Never raises.
    """
    scheme, rest = _split_scheme(uri)
    credentials, at, address = rest.rpartition("@")
    if not at:
        return scheme + _redact_address(rest)
    if "?" in credentials:
        return scheme + HIDDEN  # the "@" may stand in an option, and a secret one may go on behind it
    user, colon, _ = credentials.partition(":")
    # Where this is not written as it must be, what looks like the user may be a part of the password.
    ambiguous = not scheme or re.search(r"[/#\s]", credentials)
    shown = HIDDEN if ambiguous else f"{user}:{HIDDEN}" if colon else user
    return f"{scheme}{shown}@{_redact_address(address)}"


def database_in_uri(uri: str) -> str | None:
    """The database that the URI's path names, or None when it names none or cannot be read with certainty."""
    rest = uri.partition("://")[2]
    before, _, query = rest.partition("?")
    if "@" in query and not all(_OPTION_NAME.match(part.partition("=")[0]) for part in re.split("[&;]", query)):
        return None  # an unescaped "?" in the password: what stands before it is no path
    name = before.rpartition("@")[2].partition("/")[2]
    return unquote(name) or None


def database_name_problem(name: str) -> str | None:
    """Why MongoDB or this tool would not take `name` for a database, or None when it is good."""
    if not name:
        return "must not be empty"
    if bad := sorted(set(name) & set('/\\. "$*<>:|?\0')):
        return f"must not contain {' '.join(repr(character) for character in bad)}"
    if len(name.encode("utf-8", "surrogatepass")) > 63:
        return "must be at most 63 bytes long"
    if name.lower() in {"admin", "config", "local"}:
        return "must not be one of MongoDB's own: admin, config, local"
    return None


def _split_scheme(uri: str) -> tuple[str, str]:
    found = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", uri)
    return (found[0], uri[found.end() :]) if found else ("", uri)


def _redact_address(address: str) -> str:
    """Hosts, path and options, as they stand after the credentials or where there are none."""
    before, question, query = address.partition("?")
    hosts, slash, path = before.partition("/")
    for host in hosts.split(","):
        if not _HOST.fullmatch(host):
            # A port that is no number is a password without its host: `mongodb://user:secret`.
            return f"{hosts[: hosts.index(host)]}{host.partition(':')[0]}:{HIDDEN}"
    shown_path = HIDDEN if ":" in path else path
    return hosts + slash + shown_path + question + "".join(_redact_option(part) for part in re.split("([&;])", query))


def _redact_option(part: str) -> str:
    name, equals, value = part.partition("=")
    if not equals:
        return part if part in {"", "&", ";"} else HIDDEN
    return f"{name}={HIDDEN}" if value and _SECRET_OPTION.search(unquote(name)) else part
