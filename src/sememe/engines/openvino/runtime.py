"""Compile a graph and run batches through it, one stream a core."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from sememe.checkpoint import Checkpoint
from sememe.engines.engine import Array, Output, output_name
from sememe.engines.openvino.blocks import Product, float_product
from sememe.engines.openvino.cores import usable_cores
from sememe.engines.openvino.graph import GRAPH_VERSION, build
from sememe.engines.openvino.precision import choose_precision, multiplies_bf16
from sememe.engines.openvino.quantized import Int8Products
from sememe.engines.openvino.silence import openvino
from sememe.engines.ranges import Ranges
from sememe.processes import PerProcess, before_fork, native_code, submit
from sememe.text import Batch

# Other budgets were a few per cent faster or slower (docs/decisions/token-budget.md).
_BUDGET = 1024


core = PerProcess(openvino.Core)
"""The one OpenVINO core of this process."""


@before_fork
def _free_idle_threads() -> None:
    """Free the threads of engines that are closed: a child would be given them, and wait.

    OpenVINO keeps them for the next engine, until any of its CPU plugins is unloaded.
    """
    openvino.Core().get_property("CPU", "AVAILABLE_DEVICES")


class OpenVinoEngine:
    """An encoder on the CPU; see `sememe.engines.Engine` for the contract.

    Each worker thread has an infer request of its own, so callers on any number of threads share
    the streams batch by batch, and an error reaches the caller whose batch it was.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        output: Output,
        *,
        precision: str,
        ranges: Ranges | None = None,
    ) -> None:
        self.precision = choose_precision(precision, core(), ranges, output_name(output))
        product: Product = float_product
        hint = self.precision
        self.name = "openvino"
        self.identity = [GRAPH_VERSION, self.precision]
        if self.precision == "int8" and ranges is not None:
            product = Int8Products(ranges)
            # What is not a product with weights (attention, norms) stays in floats.
            hint = "bf16" if multiplies_bf16(core()) else "f32"
            self.identity += [hint, ranges.digest]
        inputs, model, self.dim = build(checkpoint, output, product)
        self.budget = _BUDGET
        self.streams = usable_cores()
        self._feeds = inputs.feeds
        self._compiled = core().compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": hint,
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
                pending.append((batch, submit(self._workers, self._infer, batch)))
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
        with native_code():
            request = self._request()
            # Started and awaited, not inferred: only an asynchronous start uses the streams.
            request.start_async(self._feeds(batch), share_inputs=True)
            request.wait()
            found: Array = request.get_output_tensor(0).data.astype(np.float32, copy=True)
            return found

    def _request(self) -> Any:
        if not hasattr(self._local, "request"):
            self._local.request = self._compiled.create_infer_request()
        return self._local.request
