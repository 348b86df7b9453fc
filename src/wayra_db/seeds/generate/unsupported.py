"""What stops a plan half-way, where it is not known yet which field it is about."""

from __future__ import annotations


class UnsupportedError(Exception):
    """A keyword that nothing can be made for; caught where the field is known."""

    def __init__(self, keyword: str, why: str) -> None:
        super().__init__(f"{keyword}: {why}")
        self.keyword = keyword
        self.why = why
