"""Measure the ranges that int8 needs, on calibration texts, in float32.

For every input of a product, the smoothing of its channels (SmoothQuant: Xiao et al., 2023) and
the clipping of its range are those, of a grid, whose int8 product is nearest to the float32 one.
"""

from dataclasses import replace

import numpy as np
import openvino

from sememe.checkpoint import Checkpoint
from sememe.engines.engine import Array, Output, output_name
from sememe.engines.openvino.blocks import Node, float_product
from sememe.engines.openvino.graph import build
from sememe.engines.openvino.int8 import LEVELS, int8_weight, steps
from sememe.engines.openvino.runtime import OpenVinoEngine, core
from sememe.engines.ranges import Fidelity, InputRange, Ranges
from sememe.text import Tokens, batches

_STRENGTHS = (0.7, 0.8, 0.9, 1.0)
_CLIPS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
_SAMPLED_ROWS = 1500
_BUDGET = 2048


def calibrate(
    checkpoint: Checkpoint, output: Output, tokens: Tokens, held_back: Tokens, source: str
) -> Ranges:
    """Measure the ranges of a checkpoint on tokens, and what they cost on those held back.

    Args:
        checkpoint: the model.
        output: a pooling, or `scores` of a cross-encoder.
        tokens: what the ranges are measured on.
        held_back: what the fidelity is measured on.
        source: where the texts came from, for the fidelity.
    """
    exact = OpenVinoEngine(checkpoint, output, precision="f32")
    vectors = _values(exact, tokens)
    unfinished = Ranges(
        _input_ranges(checkpoint, tokens),
        unit=float(np.abs(_unit(vectors)).max()),
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
        cosines = (_unit(expected) * _unit(values)).sum(axis=1)
        mean, least, measure = cosines.mean(), cosines.min(), "cosine"
    texts = len(held_back.lengths)
    return replace(unfinished, fidelity=Fidelity(float(mean), float(least), texts, source, measure))


def _values(engine: OpenVinoEngine, tokens: Tokens) -> Array:
    values = np.empty((len(tokens.lengths), engine.dim), np.float32)
    for batch, computed in engine.run(batches(tokens, np.arange(len(values)), _BUDGET)):
        values[batch.rows] = computed
    return values


def _unit(vectors: Array) -> Array:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


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
        """The smoothing and clipping whose int8 product is nearest to the float one."""
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
                rounded = np.clip(np.rint(smooth / size), -zero, LEVELS - 1 - zero) * size
                error = float(np.square(rounded @ restored.T - exact).mean())
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
    return {name: product.best_range() for name, product in products.items()}
