"""`python -m wayra_db` is the same as `wayra-db`."""

from wayra_db.cli import main

if __name__ == "__main__":
    main()
