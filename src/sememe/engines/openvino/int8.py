"""int8: matrix products written into the graph, and the ranges they need, measured once.

Activations become 8-bit numbers through FakeQuantize. Each channel is divided by a number of its
own before, and the weights multiplied by it, which takes out the outliers (SmoothQuant: Xiao et
al., 2023). Weights are symmetric, with a scale for each output. Smoothing and clipping are those,
of a grid, whose int8 product is nearest to the float32 one.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import openvino
import openvino.opset13 as ops

from sememe.checkpoint import Checkpoint
from sememe.engines.engine import Array, Engine, Output, output_name
from sememe.engines.openvino.blocks import Node, at, constant, float_product, scalar
from sememe.engines.openvino.graph import build
from sememe.engines.ranges import Fidelity, InputRange, Ranges
from sememe.errors import CheckpointError
from sememe.progress import is_terminal, progress_bar
from sememe.text import Tokens, batches

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


_STRENGTHS = (0.7, 0.8, 0.9, 1.0)
_CLIPS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
_SAMPLED_ROWS = 1500
_LOOK = 8  # the first look at a range is at every eighth row
_BUDGET = 2048


def calibrate(
    checkpoint: Checkpoint, output: Output, tokens: Tokens, held_back: Tokens, source: str
) -> Ranges:
    """Measure the ranges of a checkpoint on tokens, and what they cost on those held back."""
    from sememe.engines.openvino.runtime import OpenVinoEngine  # which imports this module
    from sememe.neighbors import normalized  # and scipy, which computing does not need

    exact = OpenVinoEngine(checkpoint, output, precision="f32")
    vectors = _values(exact, tokens)
    unfinished = Ranges(
        _input_ranges(checkpoint, tokens),
        unit=float(np.abs(normalized(vectors)).max()),
        pooled=float(np.abs(vectors).max()),
        fidelity=Fidelity(0, 0, 0, source),
        output=output_name(output),
    )
    rounded = OpenVinoEngine(checkpoint, output, precision="int8", ranges=unfinished)
    expected, values = _values(exact, held_back), _values(rounded, held_back)
    if output == "scores":
        mean = np.corrcoef(expected.ravel(), values.ravel())[0, 1]
        least = 1 - np.abs(expected - values).max() / max(float(expected.std()), 1e-9)
        measure = "correlation"
    else:
        cosines = (normalized(expected) * normalized(values)).sum(axis=1)
        mean, least, measure = cosines.mean(), cosines.min(), "cosine"
    texts = len(held_back.lengths)
    return replace(unfinished, fidelity=Fidelity(float(mean), float(least), texts, source, measure))


def _values(engine: Engine, tokens: Tokens) -> Array:
    values = np.empty((len(tokens.lengths), engine.dim), np.float32)
    for batch, computed in engine.run(batches(tokens, np.arange(len(values)), _BUDGET)):
        values[batch.rows] = computed
    return values


class _Product:
    """One input of products: its node, their weights, and what the texts put into it."""

    def __init__(self, node: Node, channels: int) -> None:
        self.node = node
        self.weights: list[Array] = []
        self.least = np.zeros(channels, np.float32)
        self.largest = np.zeros(channels, np.float32)
        self.rows: list[Array] = []

    def add(self, values: Array, sample: np.ndarray) -> None:
        self.least = np.minimum(self.least, values.min(axis=0))
        self.largest = np.maximum(self.largest, values.max(axis=0))
        self.rows.append(values[sample])

    def best_range(self) -> InputRange:
        weight, rows = np.concatenate(self.weights), np.concatenate(self.rows)
        exact = rows @ weight.T
        channel = np.maximum(np.maximum(self.largest, -self.least), 1e-5)
        column = np.maximum(np.abs(weight).max(axis=0), 1e-5)
        best, least_error = None, np.inf
        for strength in _STRENGTHS:
            smoothing = channel**strength / column ** (1 - strength)
            smoothing = (smoothing / np.exp(np.log(smoothing).mean())).astype(np.float32)
            integers, scale = int8_weight(weight * smoothing)
            restored, smooth = integers * scale, rows / smoothing
            low = float((self.least / smoothing).min())
            high = max(float((self.largest / smoothing).max()), low + 1e-6)
            for clip in _CLIPS:
                size, zero = steps(low * clip, high * clip)
                for every in (_LOOK, 1):
                    rounded = np.clip(np.rint(smooth[::every] / size), -zero, LEVELS - 1 - zero)
                    products = (rounded * size) @ restored.T
                    error = float(np.square(products - exact[::every]).mean())
                    if error > 1.001 * every * least_error:
                        break  # the other rows, without an error, would not make up for these
                if error < least_error:
                    best, least_error = InputRange(smoothing, low * clip, high * clip), error
        assert best is not None, "an error that is not a number: the weights were checked for that"
        return best


def _input_ranges(checkpoint: Checkpoint, tokens: Tokens) -> dict[str, InputRange]:
    """The best range of each input, by the name of the first weight it is multiplied with."""
    products: dict[str, _Product] = {}
    names: dict[int, str] = {}

    def recorded(x: Node, name: str, weight: Array, _: Node | None) -> Node:
        first = names.setdefault(id(x), name)
        products.setdefault(first, _Product(x, weight.shape[1])).weights.append(weight)
        return float_product(x, name, weight)

    from sememe.engines.openvino.runtime import core

    inputs, model, _ = build(checkpoint, "tokens", recorded)
    nodes = [product.node for product in products.values()]
    model = openvino.Model(nodes, model.get_parameters(), "recorded")
    compiled = core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    random = np.random.default_rng(0)
    share = min(1.0, _SAMPLED_ROWS / int(tokens.lengths.sum()))
    for batch in batches(tokens, np.arange(len(tokens.lengths)), _BUDGET):
        values = compiled(inputs.feeds(batch))
        is_token = np.arange(batch.ids.shape[1]) < batch.lengths[:, None]
        sample = random.random(int(is_token.sum())) < share
        for index, product in enumerate(products.values()):
            product.add(values[index][is_token], sample)
    ranges = {}
    with progress_bar(len(products), "products", is_terminal(sys.stderr)) as bar:
        for name, product in products.items():
            ranges[name] = product.best_range()
            bar.update(1)
    return ranges
