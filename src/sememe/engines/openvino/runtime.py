"""Compile a graph and run batches through it, one stream a core."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import openvino

from sememe.checkpoint import Checkpoint
from sememe.checkpoint.files import weight_files
from sememe.checkpoint.modules import Dense
from sememe.engines.engine import Array, Output, output_name
from sememe.engines.openvino.blocks import Inputs, Product, float_product
from sememe.engines.openvino.graph import GRAPH_VERSION, build
from sememe.engines.openvino.int8 import Int8Products
from sememe.engines.processor import choose_precision, multiplies_bf16, usable_cores
from sememe.engines.ranges import Ranges, find_ranges
from sememe.errors import InputError
from sememe.processes import PerProcess, before_fork, native_code, submit
from sememe.text import Batch

# Other budgets were a few per cent faster or slower (docs/decisions/token-budget.md).
_BUDGET = 1024


core = PerProcess(openvino.Core)
"""The one OpenVINO core of this process."""


@dataclass(frozen=True, eq=False)
class CompiledGraph:
    """A graph that computes, its inputs, and the size of its vectors or the number of scores."""

    model: Any
    inputs: Inputs
    dim: int


compiled_graphs = PerProcess(WeakValueDictionary[str, CompiledGraph])
"""Those in use, by all that they depend on: encoders of one model share its weights and streams."""


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
        self.budget = _BUDGET
        self.streams = usable_cores()
        self._graph = self._compiled_graph(checkpoint, output, product, hint)
        self.dim = self._graph.dim
        self._local = threading.local()
        self._workers = ThreadPoolExecutor(self.streams, thread_name_prefix="sememe")

    def _compiled_graph(
        self, checkpoint: Checkpoint, output: Output, product: Product, hint: str
    ) -> CompiledGraph:
        key = graph_key(checkpoint, output, self.identity, self.streams)
        graph = compiled_graphs().get(key)
        if graph is None:
            inputs, model, dim = build(checkpoint, output, product)
            options = {
                "INFERENCE_PRECISION_HINT": hint,
                "NUM_STREAMS": self.streams,
                "INFERENCE_NUM_THREADS": self.streams,
                # Pinning would ignore the affinity of the process.
                "ENABLE_CPU_PINNING": False,
            }
            graph = CompiledGraph(core().compile_model(model, "CPU", options), inputs, dim)
            compiled_graphs()[key] = graph
        return graph

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
                self._local.request = self._graph.model.create_infer_request()
            request = self._local.request
            # Started and awaited, not inferred: only an asynchronous start uses the streams.
            request.start_async(self._graph.inputs.feeds(batch), share_inputs=True)
            request.wait()
            values: Array = request.get_output_tensor(0).data.astype(np.float32, copy=True)
            return values


def graph_key(checkpoint: Checkpoint, *choices: object) -> str:
    """All that a graph depends on: the checkpoint, the state of its files, and what was chosen."""
    return repr((checkpoint, file_states(checkpoint), *choices))


def file_states(checkpoint: Checkpoint) -> list[tuple[str, int, int]]:
    """Of each file of weights its path, its size in bytes and when it was changed, in ns."""
    files = list(checkpoint.weights.files)
    for module in checkpoint.head:
        files += weight_files(module.folder) if isinstance(module, Dense) else []
    states = [(file, file.stat()) for file in files]
    return [(str(file), state.st_size, state.st_mtime_ns) for file, state in states]
