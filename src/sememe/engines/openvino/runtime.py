"""Compile a graph and run batches through it, one stream a core."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import openvino

from sememe.checkpoint import Checkpoint
from sememe.checkpoint.modules import Pooling
from sememe.engines.engine import Array
from sememe.engines.openvino import bert
from sememe.engines.openvino.blocks import Inputs, Node
from sememe.engines.openvino.cores import usable_cores
from sememe.engines.openvino.head import sentence_vectors
from sememe.engines.openvino.precision import choose_precision
from sememe.errors import CheckpointError
from sememe.text import Batch

# Raised whenever a change to the graphs would change their vectors.
GRAPH_VERSION = "openvino-1"

ARCHITECTURES: dict[str, Callable[[Checkpoint, Inputs], tuple[Node, int]]] = {
    "bert": bert.hidden_states,
}


@cache
def _core() -> openvino.Core:
    return openvino.Core()


class OpenVinoEngine:
    """An encoder on the CPU; see `sememe.engines.Engine` for the contract.

    Each worker thread has an infer request of its own, so callers on any number of threads share
    the streams batch by batch, and an error reaches the caller whose batch it was.
    """

    version = GRAPH_VERSION

    def __init__(self, checkpoint: Checkpoint, pooling: Pooling | None, *, precision: str) -> None:
        model, self.dim = _graph(checkpoint, pooling)
        self.precision = choose_precision(precision, _core())
        self.streams = usable_cores()
        self._feeds_skip = len(model.inputs) > 2
        self._compiled = _core().compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": self.precision,
                "NUM_STREAMS": self.streams,
                "INFERENCE_NUM_THREADS": self.streams,
                # Pinning would ignore the affinity that the process was given.
                "ENABLE_CPU_PINNING": False,
            },
        )
        self._local = threading.local()
        self._workers = ThreadPoolExecutor(self.streams, thread_name_prefix="sememe")

    def run(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Array]]:
        """Compute batches in their order, a few ahead of the one that is yielded."""
        pending: deque[tuple[Batch, Future[Array]]] = deque()
        try:
            for batch in batches:
                pending.append((batch, self._workers.submit(self._infer, batch)))
                if len(pending) > 2 * self.streams:
                    done, future = pending.popleft()
                    yield done, future.result()
            while pending:
                done, future = pending.popleft()
                yield done, future.result()
        finally:
            for _, future in pending:
                future.cancel()

    def _infer(self, batch: Batch) -> Array:
        request = self._request()
        feeds = [batch.ids, batch.lengths]
        if self._feeds_skip:
            feeds.append(np.array(batch.skip, np.int32))
        # Started and awaited, not inferred: only an asynchronous start uses the streams' threads.
        request.start_async(feeds, share_inputs=True)
        request.wait()
        found: Array = request.get_output_tensor(0).data.astype(np.float32, copy=True)
        return found

    def _request(self) -> Any:
        if not hasattr(self._local, "request"):
            self._local.request = self._compiled.create_infer_request()
        return self._local.request


def _graph(checkpoint: Checkpoint, pooling: Pooling | None) -> tuple[openvino.Model, int]:
    kind = checkpoint.config.get("model_type")
    if kind not in ARCHITECTURES:
        raise CheckpointError(
            f"{checkpoint.transformer / 'config.json'}: the architecture {kind!r} is not read; "
            f"those that are: {', '.join(sorted(ARCHITECTURES))}."
        )
    inputs = Inputs(skip=pooling is not None and not pooling.include_prompt)
    node, dim = ARCHITECTURES[kind](checkpoint, inputs)
    if pooling is not None:
        node, dim = sentence_vectors(checkpoint, pooling, inputs, node, dim)
    return openvino.Model([node], inputs.parameters, "sememe"), dim
