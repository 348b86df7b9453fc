"""Data files as seeds: a file of documents and, beside it under the same name, a `.toml` that says what they are."""

from wayra_db.seeds.data.header import read_data_seed
from wayra_db.seeds.data.read import read_documents

__all__ = ["read_data_seed", "read_documents"]
