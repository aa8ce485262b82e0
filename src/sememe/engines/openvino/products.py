"""What this machine's matrix products reach: the ceiling that an encoder's speed has here."""

import time

import numpy as np
import openvino.opset13 as ops

from sememe.engines.engine import Array
from sememe.engines.openvino.blocks import Node, Product, float_product
from sememe.engines.openvino.cores import usable_cores
from sememe.engines.openvino.quantized import LEVELS, Int8Products
from sememe.engines.openvino.runtime import core
from sememe.engines.openvino.silence import openvino
from sememe.engines.ranges import Fidelity, InputRange, Ranges

_ROWS, _LAYERS = 1024, 6
_LARGEST = 4.0


def product_rate(precision: str, hidden: int, inner: int, seconds: float = 0.5) -> float:
    """Operations a second of matrix products and nothing else, on all cores: the best of three.

    Args:
        precision: f32, bf16 or int8.
        hidden: the model's hidden size; products are (1024, hidden) by (hidden, inner) and back.
        inner: its intermediate size.
        seconds: how long each of the three takes at least.
    """
    cores = usable_cores()
    compiled = core().compile_model(
        _chain(precision, hidden, inner),
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": "f32" if precision == "int8" else precision,
            "NUM_STREAMS": cores,
            "INFERENCE_NUM_THREADS": cores,
        },
    )
    queue = openvino.AsyncInferQueue(compiled, cores)
    fed = np.random.default_rng(0).standard_normal((_ROWS, hidden), np.float32)
    work = cores * 2 * _LAYERS * 2 * 2 * _ROWS * hidden * inner
    best = 0.0
    for _ in range(3):
        started, done = time.perf_counter(), 0
        while time.perf_counter() - started < seconds:
            for _ in range(2 * cores):
                queue.start_async([fed])
            queue.wait_all()
            done += work
        best = max(best, done / (time.perf_counter() - started))
    return best


def _chain(precision: str, hidden: int, inner: int) -> openvino.Model:
    chance = np.random.default_rng(0)
    rows = ops.parameter([_ROWS, hidden], np.float32)
    node: Node = rows
    product: Product = float_product
    if precision == "int8":
        product = Int8Products(_ranges(hidden, inner))
    for layer in range(_LAYERS):
        for outside, inside in ((inner, hidden), (hidden, inner)):
            weight: Array = chance.standard_normal((outside, inside), np.float32) / inside**0.5
            node = product(node, f"{layer}.{outside}", weight)
    return openvino.Model([node], [rows], "products")


def _ranges(hidden: int, inner: int) -> Ranges:
    """Ranges that round every input of the chain, without channels of their own."""
    zero = round(LEVELS / 2)
    low, high = -_LARGEST * zero / (LEVELS - 1 - zero), _LARGEST
    inputs = {
        f"{layer}.{outside}": InputRange(np.ones(inside, np.float32), low, high)
        for layer in range(_LAYERS)
        for outside, inside in ((inner, hidden), (hidden, inner))
    }
    return Ranges(inputs, 1, 1, Fidelity(1, 1, 0, "made up"))
