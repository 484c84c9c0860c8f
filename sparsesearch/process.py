"""Processes and their machine: who owns a running trial, whether it still lives, how much memory there is."""

from __future__ import annotations

import os
import socket

import psutil


def this_process() -> str:
    """``host:pid:start`` of the calling process; the start time tells recycled pids apart.

    >>> is_gone(this_process())
    False
    """
    return f"{socket.gethostname()}:{os.getpid()}:{psutil.Process().create_time():.0f}"


def is_gone(owner: str) -> bool:
    """Whether ``owner`` was a process of this host that no longer runs.

    A process of another host is never said to be gone: it cannot be seen from here.
    """
    host, pid, start = owner.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    try:
        return bool(abs(psutil.Process(int(pid)).create_time() - float(start)) > 1.5)
    except psutil.NoSuchProcess:
        return True


def memory_bytes() -> int:
    """Memory of this machine."""
    return int(psutil.virtual_memory().total)
