"""Training in processes of its own: several at once, or one that is killed.

A server that has imported torch already forks them, so each begins in no time.
"""

import os
import socket
import sys
from collections.abc import Callable
from multiprocessing import get_context
from typing import Any

import pytest
import torch

torch.set_num_threads(1)
_CONTEXT = get_context("forkserver")
_PRELOADED = (
    "training_processes", "sememe.training.runs", "sememe.classification.training",
    "sklearn.linear_model", "sklearn.model_selection", "peft",
)  # fmt: skip
_CONTEXT.set_forkserver_preload([*_PRELOADED])
_LIMIT = 300


def start(work: Callable[..., None], *given: Any) -> Any:
    """Begin `work(*given)`, a function of a module's top, in a process of its own."""
    with pytest.MonkeyPatch.context() as patch:  # the server finds modules by the environment alone
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        process = _CONTEXT.Process(
            target=_with_cache, args=(os.environ["SEMEME_CACHE"], work, given), daemon=True
        )
        process.start()
    return process


def _with_cache(cache: str, work: Callable[..., None], given: Any) -> None:
    """Of this test, not of the one during which the server was started."""
    os.environ["SEMEME_CACHE"] = cache
    work(*given)


def finish(*processes: Any) -> list[int]:
    """Wait for processes; their exit codes."""
    for process in processes:
        process.join(_LIMIT)
        if process.exitcode is None:
            process.kill()
            process.join()
    return [process.exitcode for process in processes]


def together(count: int, work: Callable[..., None], *given: Any) -> None:
    """Run `work(*given)` in several processes that know of each other."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [start(_ranked, rank, count, port, work, given) for rank in range(count)]
    assert finish(*processes) == [0] * count


def _ranked(rank: int, count: int, port: int, work: Callable[..., None], given: Any) -> None:
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    work(*given)
    torch.distributed.destroy_process_group()
