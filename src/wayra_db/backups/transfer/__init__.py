"""Export and import of one collection: files that people and other programs read."""

from wayra_db.backups.transfer.export import ExportOptions, ExportResult, export_collection
from wayra_db.backups.transfer.import_ import ImportOptions, ImportResult, import_collection

__all__ = [
    "ExportOptions",
    "ExportResult",
    "ImportOptions",
    "ImportResult",
    "export_collection",
    "import_collection",
]
