"""Stores: places for whole backups, by address."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from wayra_db.backups.names import BACKUP_NAME
from wayra_db.backups.stores.base import Store
from wayra_db.errors import ConfigError

__all__ = ["Store", "open_store", "split_address"]


def open_store(address: str, *, endpoint_url: str | None = None) -> Store:
    """The store at an address: `s3://bucket/prefix`, `file:///folder`, or the path of a folder.

    `endpoint_url` is where another S3 than Amazon's answers. Reaches nothing yet. Raises ConfigError.
    """
    parts = urlsplit(address)
    if parts.scheme == "s3":
        from wayra_db.backups.stores.s3 import S3Store

        if not parts.netloc or "@" in parts.netloc or parts.query or parts.fragment:
            raise _unusable("it must be s3://bucket or s3://bucket/prefix, without keys in it")
        return S3Store(parts.netloc, unquote(parts.path).strip("/"), endpoint_url=endpoint_url)
    from wayra_db.backups.stores.local import LocalStore

    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not parts.path:
            raise _unusable("it must be file:///folder")
        return LocalStore(Path(unquote(parts.path)))
    if "://" in address:
        raise _unusable(f"there are no stores of the kind {parts.scheme}://")
    return LocalStore(Path(address).absolute())


def split_address(address: str) -> tuple[str | None, str]:
    """The store and the name in `s3://bucket/prefix/NAME`, `file:///folder/NAME` or `folder/NAME`.

    The store is None where there is only a name. Raises ConfigError when the last part is no name.
    """
    if BACKUP_NAME.fullmatch(address):
        return None, address
    store, slash, name = address.rstrip("/").rpartition("/")
    if not slash or not BACKUP_NAME.fullmatch(name) or store.endswith(":/") or store in ("s3:", "file:"):
        raise _unusable("its last part must be the name of a backup")
    return store or "/", name


def _unusable(problem: str) -> ConfigError:
    return ConfigError(
        f"this is no address of backups: {problem}",
        key="address",
        hint="Write s3://bucket/prefix, file:///folder, or the path of a folder.",
    )
