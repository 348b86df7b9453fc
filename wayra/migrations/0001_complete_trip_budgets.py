"""
Migration: Complete Trip Budgets
Version: 1
Created: 2026-09-07T09:30:00.000Z

Applications used to compute what is left of a trip's budget, each in its own way. From here on it is stored.
"""

# Documents older than the validator may hold amounts as text; those are left alone, in both directions.
WITH_AMOUNTS = {
    "budget.total": {"$type": "number"},
    "$or": [{"budget.spent": None}, {"budget.spent": {"$type": "number"}}],
}
LEFT = {"$subtract": ["$budget.total", {"$ifNull": ["$budget.spent", 0]}]}


def up(db):
    db.trips.update_many(
        {**WITH_AMOUNTS, "budget.remaining": {"$exists": False}},
        [{"$set": {"budget.remaining": LEFT}}],
    )


def down(db):
    # An amount that differs from the computed one was set by somebody and is not ours to remove.
    is_computed = {"$eq": ["$budget.remaining", LEFT]}
    db.trips.update_many(
        {**WITH_AMOUNTS, "budget.remaining": {"$exists": True}},
        [{"$set": {"budget.remaining": {"$cond": [is_computed, "$$REMOVE", "$budget.remaining"]}}}],
    )
