"""The state of a database at a glance and in depth: what is read (`facts_*`, `collections`), and what follows from it
(`checks`, `status`).
"""

from wayra_db.health.findings import Finding
from wayra_db.health.status import Diagnosis, Status

__all__ = ["Diagnosis", "Finding", "Status"]
