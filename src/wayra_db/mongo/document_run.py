"""Several raw documents that travel as one piece of an insert's document sequence."""

from __future__ import annotations

from bson.raw_bson import RawBSONDocument


class DocumentRun(RawBSONDocument):
    """Documents one after the other, in which the server finds each; the driver makes no object for any.

    Only its bytes are ever asked for. The server takes 48 MB and 100,000 documents in a message, the driver 16 MB in
    what it believes to be one document. Where the server refuses one, the driver looks for it by a number that it does
    not know, and raises IndexError: whoever sends a run then sends its documents one by one.
    """

    __slots__ = ("_run",)

    def __init__(self, run: bytes) -> None:  # the base class would want one document
        self._run = run

    @property
    def raw(self) -> bytes:
        """All of them, one after the other."""
        return self._run
