"""Declared collections: what a collection is meant to be (`collection`) and how declarations are read (`loader`)."""
