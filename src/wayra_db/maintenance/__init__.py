"""Looking after a database that is in use: samples, checks, clean-up, compaction, rebuilds."""

from wayra_db.maintenance.manager import Maintenance
from wayra_db.maintenance.model import MaintenancePlan, MaintenanceReport, Request, Task

__all__ = ["Maintenance", "MaintenancePlan", "MaintenanceReport", "Request", "Task"]
