"""One local page that shows the database as it is now.

What may be seen by whom (`access`), what is read and how often (`parts`, `live`), the thread that reads and hands on
(`feed`), and the server on loopback (`server`). It only reads: every request is a GET, and nothing that it asks of the
database writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wayra_db._lazy import lazily

if TYPE_CHECKING:
    from wayra_db.dashboard.server import Dashboard

__all__ = ["Dashboard"]

__getattr__ = lazily(__name__, {"Dashboard": "wayra_db.dashboard.server"})
