"""The tasks of maintenance, one a file."""
