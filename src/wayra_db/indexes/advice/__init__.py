"""Indexes that recorded queries ask for: proposed, explained, proved on a copy."""

from wayra_db.indexes.advice.advisor import Explanation, IndexAdvisor, Suggestion

__all__ = ["Explanation", "IndexAdvisor", "Suggestion"]
