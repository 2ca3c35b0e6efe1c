"""OpenCV in forked processes.

A forked process inherits OpenCV's belief in a thread pool whose threads it does not have:
its next parallel call, even ``cv2.setNumThreads``, may wait for them for ever (measured
with OpenCV 5.0 under a torch ``DataLoader``). So the pool is put away while forking.
"""

from __future__ import annotations

import functools
import os
import sys


@functools.cache
def guard_opencv() -> None:
    """From now on, forks find OpenCV without threads; the parent gets them back.

    Children keep one thread, which is what workers want. Costs nothing between forks.
    """
    if not hasattr(os, "register_at_fork"):
        return
    threads: list[int] = []

    def before() -> None:
        cv2 = sys.modules.get("cv2")
        if cv2 is not None:
            threads.append(cv2.getNumThreads())
            cv2.setNumThreads(0)

    def after_in_parent() -> None:
        cv2 = sys.modules.get("cv2")
        if cv2 is not None and threads:
            cv2.setNumThreads(threads.pop())

    os.register_at_fork(before=before, after_in_parent=after_in_parent)
