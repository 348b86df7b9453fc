"""
Migration: Add User Roles
Version: 3
Created: 2026-11-23T00:00:00.000Z

Everybody becomes an ordinary user; administrators are appointed afterwards.
"""


def up(db):
    db.users.update_many({"role": {"$exists": False}}, {"$set": {"role": "user"}})


def down(db):
    # Every role goes: rights that nothing checks any more must not come back by themselves with the next `up`.
    db.users.update_many({"role": {"$exists": True}}, {"$unset": {"role": ""}})
