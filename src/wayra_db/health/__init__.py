"""The state of a database at a glance: what is read (`collections`), and what follows from it (`status`)."""

from wayra_db.health.status import Finding, Status

__all__ = ["Finding", "Status"]
