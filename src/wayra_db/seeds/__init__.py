"""Seeds: named pieces of data for an environment, run once each and recorded."""

from wayra_db.seeds.manager import SeedManager
from wayra_db.seeds.results import Generated, GenerateResult, SeedClearing, SeedPreview, SeedResult

__all__ = ["GenerateResult", "Generated", "SeedClearing", "SeedManager", "SeedPreview", "SeedResult"]
