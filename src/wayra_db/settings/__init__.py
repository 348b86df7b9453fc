"""What can be configured, from where, and what came out: flag > environment variable > file > default.

`options` declares every setting once; `file` reads `wayra-db.toml`; `load` merges the sources; `model` is the result;
`uri` reads and redacts MongoDB URIs. Nothing here reads `os.environ`: callers hand it in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wayra_db._lazy import lazily

if TYPE_CHECKING:
    from wayra_db.settings.file import FILE_NAME, find_project_file
    from wayra_db.settings.load import load_settings
    from wayra_db.settings.model import Origin, OriginKind, Settings, SettingValue
    from wayra_db.settings.options import OPTIONS, Option
    from wayra_db.settings.uri import redact_uri

__all__ = [
    "FILE_NAME",
    "OPTIONS",
    "Option",
    "Origin",
    "OriginKind",
    "SettingValue",
    "Settings",
    "find_project_file",
    "load_settings",
    "redact_uri",
]

# The command line's help needs the options alone.
__getattr__ = lazily(
    __name__,
    {
        "FILE_NAME": "wayra_db.settings.file",
        "OPTIONS": "wayra_db.settings.options",
        "Option": "wayra_db.settings.options",
        "Origin": "wayra_db.settings.model",
        "OriginKind": "wayra_db.settings.model",
        "SettingValue": "wayra_db.settings.model",
        "Settings": "wayra_db.settings.model",
        "find_project_file": "wayra_db.settings.file",
        "load_settings": "wayra_db.settings.load",
        "redact_uri": "wayra_db.settings.uri",
    },
)
