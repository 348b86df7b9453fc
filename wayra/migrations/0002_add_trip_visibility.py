"""
Migration: Add Trip Visibility
Version: 2
Created: 2026-10-12T14:05:00.000Z

Until now every trip was seen by its owner and collaborators only; that stays the default.
"""


def up(db):
    db.trips.update_many({"visibility": {"$exists": False}}, {"$set": {"visibility": "private"}})


def down(db):
    # Only the default goes. A trip that its owner has shared stays marked, or the next `up` would hide it.
    db.trips.update_many({"visibility": "private"}, {"$unset": {"visibility": ""}})
