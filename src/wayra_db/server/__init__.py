"""The embedded server: a real `mongod` that belongs to one project, found, started, shared and stopped.

`EmbeddedServer.acquire()` is all that most callers need. How the pieces stay honest when any process may be killed at
any moment is told in `paths`: every fact about a running server is a lock that the kernel holds for it.
"""

from __future__ import annotations

from wayra_db.server.locate import MongodBinary, find_mongod
from wayra_db.server.process import EmbeddedServer, ServerLease
from wayra_db.server.status import ServerStatus

__all__ = ["EmbeddedServer", "MongodBinary", "ServerLease", "ServerStatus", "find_mongod"]
