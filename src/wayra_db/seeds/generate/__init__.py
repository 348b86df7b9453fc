"""Documents made up from the declarations: the rules that a project's `scripts/generate.py` is written with."""

from wayra_db.seeds.generate.rules import (
    After,
    AtLeast,
    Between,
    Faked,
    Length,
    Made,
    Normal,
    Numbered,
    OneOf,
    Pool,
    Ref,
    Sometimes,
    Zipf,
)

__all__ = [
    "After",
    "AtLeast",
    "Between",
    "Faked",
    "Length",
    "Made",
    "Normal",
    "Numbered",
    "OneOf",
    "Pool",
    "Ref",
    "Sometimes",
    "Zipf",
]
