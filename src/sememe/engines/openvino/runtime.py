"""Compile a graph and run batches through it, one stream a core."""

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import openvino
import openvino.opset13 as ops

from sememe.checkpoint import Checkpoint
from sememe.engines.engine import Array, Output, output_name
from sememe.engines.openvino.blocks import Node, Product, float_product
from sememe.engines.openvino.graph import GRAPH_VERSION, build
from sememe.engines.openvino.int8 import LEVELS, Int8Products
from sememe.engines.processor import choose_precision, multiplies_bf16, usable_cores
from sememe.engines.ranges import InputRange, Ranges, find_ranges
from sememe.errors import InputError
from sememe.processes import PerProcess, before_fork, native_code, submit
from sememe.text import Batch

# Other budgets were a few per cent faster or slower (docs/decisions/token-budget.md).
_BUDGET = 1024


core = PerProcess(openvino.Core)
"""The one OpenVINO core of this process."""


@before_fork
def _free_idle_threads() -> None:
    """Free the threads of engines that are closed: a child would inherit them, and wait.

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
        device: str | None = None,
        ranges: Ranges | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        del trust_remote_code  # no code of a checkpoint is needed for its graph
        if device not in (None, "cpu"):
            raise InputError(f"device={device!r}: the openvino engine computes on the cpu only.")
        if ranges is None and precision in ("auto", "int8"):
            # By the hash of the weights, which takes a moment: only where they may be used.
            ranges = find_ranges(checkpoint.weights.sha256)
        self.name = "openvino"
        self.precision = choose_precision(precision, core(), ranges, output_name(output))
        self.decisions = {"precision": self.precision, "ranges": ranges}
        self.identity = [GRAPH_VERSION, self.precision]
        product: Product = float_product
        hint = self.precision
        if self.precision == "int8" and ranges is not None:
            product = Int8Products(ranges.inputs)
            # What is not a product with weights (attention, norms) stays in floats.
            hint = "bf16" if multiplies_bf16(core()) else "f32"
            self.identity += [hint, ranges.digest]
        inputs, model, self.dim = build(checkpoint, output, product)
        self.budget = _BUDGET
        self.streams = usable_cores()
        self._feeds = inputs.feeds
        self._compiled = _compile(model, hint, self.streams)
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
            if not hasattr(self._local, "request"):
                self._local.request = self._compiled.create_infer_request()
            request = self._local.request
            # Started and awaited, not inferred: only an asynchronous start uses the streams.
            request.start_async(self._feeds(batch), share_inputs=True)
            request.wait()
            values: Array = request.get_output_tensor(0).data.astype(np.float32, copy=True)
            return values


def _compile(model: openvino.Model, hint: str, streams: int, *, pinned: bool = False) -> Any:
    return core().compile_model(
        model,
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": hint,
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": streams,
            # Pinning would ignore the affinity of the process.
            "ENABLE_CPU_PINNING": pinned,
        },
    )


def product_rate(
    precision: str, hidden: int, inner: int, seconds: float = 0.5, *, rows: int = 1024
) -> float:
    """Operations a second of matrix products and nothing else, on all cores: the best of three.

    It is the ceiling that an encoder's speed has on this machine.

    Args:
        precision: f32, bf16 or int8.
        hidden: the model's hidden size; products are (rows, hidden) by (hidden, inner) and back.
        inner: its intermediate size.
        seconds: how long each of the three takes at least.
        rows: tokens of a batch.
    """
    random, cores = np.random.default_rng(0), usable_cores()
    shapes = [(inner, hidden), (hidden, inner)] * 6
    low, high = -4.0 * LEVELS / (LEVELS - 2), 4.0  # such that one of the levels is 0
    ranges = {
        str(i): InputRange(np.ones(inside, np.float32), low, high)
        for i, (_, inside) in enumerate(shapes)
    }
    product: Product = Int8Products(ranges) if precision == "int8" else float_product
    parameter = ops.parameter([rows, hidden], np.float32)
    node: Node = parameter
    for i, (outside, inside) in enumerate(shapes):
        weight: Array = random.standard_normal((outside, inside), np.float32) / inside**0.5
        node = product(node, str(i), weight, None)
    hint = "f32" if precision == "int8" else precision
    model = openvino.Model([node], [parameter], "products")
    queue = openvino.AsyncInferQueue(_compile(model, hint, cores, pinned=True), cores)
    batch = random.standard_normal((rows, hidden), np.float32)
    best = 0.0
    for _ in range(3):
        started, batches = time.perf_counter(), 0
        while time.perf_counter() - started < seconds:
            for _ in range(2 * cores):
                queue.start_async([batch])
            queue.wait_all()
            batches += 2 * cores
        operations = batches * len(shapes) * 2 * rows * hidden * inner
        best = max(best, operations / (time.perf_counter() - started))
    return best
