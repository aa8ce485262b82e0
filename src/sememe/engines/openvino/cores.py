"""How many streams to compute with: one a physical core that this process may use."""

import os
from pathlib import Path

_TOPOLOGY = Path("/sys/devices/system/cpu")


def usable_cores() -> int:
    """Physical cores in the process's CPU affinity (two hyper-threads of a core count once)."""
    if not hasattr(os, "sched_getaffinity"):  # macOS, Windows
        return max(1, os.cpu_count() or 1)
    processors = os.sched_getaffinity(0)
    return max(1, len({_siblings(number) for number in processors}))


def _siblings(number: int) -> str:
    path = _TOPOLOGY / f"cpu{number}" / "topology" / "thread_siblings_list"
    try:
        return path.read_text()
    except OSError:  # some containers hide the topology
        return str(number)
