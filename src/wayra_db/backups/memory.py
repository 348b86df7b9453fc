"""Memory that large documents took is given back to the system."""

from __future__ import annotations

import functools
import sys

# Above the frames and replies that come and go all the time, below the documents that are worth a call to the system.
LARGE_BLOCK = 4 * 1024 * 1024
_M_MMAP_THRESHOLD = -3  # malloc.h


@functools.cache
def give_back_large_blocks() -> None:
    """Have the C library map each large block on its own, for this process, from now on.

    The GNU library else learns from the first large block that is freed to take such ones from its heaps, of which
    every thread has one, and each keeps what its largest document took (mallopt(3), M_MMAP_THRESHOLD). Other libraries
    are left alone. Changes nothing but where memory comes from.
    """
    if sys.platform != "linux":
        return
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE_BLOCK)
