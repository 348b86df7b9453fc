"""Seeds: named pieces of data for an environment, run once each and recorded."""

from wayra_db.seeds.manager import SeedManager, SeedResult

__all__ = ["SeedManager", "SeedResult"]
