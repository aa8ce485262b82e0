"""Matrix products in int8, written into the graph, so that nothing is converted at run time.

Activations become 8-bit numbers through FakeQuantize, whose range was measured once. Each channel
is divided by a number of its own before, and the weights multiplied by it, which takes the outliers
out of the activations (SmoothQuant: Xiao et al., 2023). Weights are symmetric, with a scale for
each output. OpenVINO's plugin turns such a pair into one int8 product.
"""

from collections.abc import Mapping

import numpy as np
import openvino.opset13 as ops

from sememe.engines.engine import Array
from sememe.engines.openvino.blocks import Node, at, constant, scalar
from sememe.engines.ranges import InputRange
from sememe.errors import CheckpointError

LEVELS = 256


def steps(low: float, high: float) -> tuple[float, int]:
    """The size of a step, and which step is 0: one of them must be, or padding would not be 0."""
    size = (high - low) / (LEVELS - 1)
    return size, round(-low / size)


def int8_weight(weight: Array) -> tuple[np.ndarray, Array]:
    """A weight (outside, inside) as int8 and the scale of each row, float32 (outside, 1)."""
    largest = np.abs(weight).max(axis=1, keepdims=True)
    scale = np.where(largest > 0, largest, 1).astype(np.float32) / np.float32(127)
    return np.rint(weight / scale).astype(np.int8), scale


class Int8Products:
    """A graph's products by `Ranges.inputs`, each input rounded once, however often it is used."""

    def __init__(self, ranges: Mapping[str, InputRange]) -> None:
        self._ranges = ranges
        # The node is kept with its rounded self, or its id might be given to another one.
        self._rounded: dict[int, tuple[Node, Node, InputRange]] = {}

    def __call__(self, x: Node, name: str, weight: Array, token: Node | None = None) -> Node:
        """x·Wᵀ in int8."""
        if id(x) not in self._rounded:
            measured = self._ranges.get(name)
            if measured is None or measured.smoothing.shape != (weight.shape[1],):
                raise CheckpointError(
                    f"The int8 ranges do not fit the product with {name!r}. Make them again: "
                    "sememe quantize MODEL"
                )
            size, zero = steps(measured.low, measured.high)
            low, high = scalar(-zero * size), scalar((LEVELS - 1 - zero) * size)
            smooth = ops.multiply(x, constant(1 / measured.smoothing))
            rounded = ops.fake_quantize(smooth, low, high, low, high, LEVELS)
            self._rounded[id(x)] = (x, rounded, measured)
        _, rounded, measured = self._rounded[id(x)]
        integers, scale = int8_weight(weight * measured.smoothing)
        restored = ops.multiply(ops.convert(constant(integers), "f32"), constant(scale))
        return ops.matmul(at(rounded, token), restored, transpose_a=False, transpose_b=True)
