"""The parts of `wayra_db.testing`, which is where to import them from."""
