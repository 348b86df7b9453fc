"""Rehearsing pending migrations on a scratch copy before the real database is touched."""

from wayra_db.migrations.rehearsal.model import (
    Declared,
    DeclaredIndex,
    DeclaredValidator,
    Finding,
    RehearsalPlan,
    RehearsalReport,
    Rehearsed,
)
from wayra_db.migrations.rehearsal.service import Rehearsal

__all__ = [
    "Declared",
    "DeclaredIndex",
    "DeclaredValidator",
    "Finding",
    "Rehearsal",
    "RehearsalPlan",
    "RehearsalReport",
    "Rehearsed",
]
