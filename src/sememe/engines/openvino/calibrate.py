"""Measure the ranges that int8 needs, on calibration texts, in float32.

For every input of a product, the smoothing of its channels (SmoothQuant: Xiao et al., 2023) and
the clipping of its range are those, of a grid, whose int8 product is nearest to the float32 one.
"""

from dataclasses import replace

import numpy as np

from sememe.checkpoint import Checkpoint
from sememe.engines.engine import Array, Output, output_name
from sememe.engines.openvino.graph import build
from sememe.engines.openvino.quantized import LEVELS, Recorder, int8_weight, steps
from sememe.engines.openvino.runtime import OpenVinoEngine, core
from sememe.engines.openvino.silence import openvino
from sememe.engines.ranges import Fidelity, InputRange, Ranges
from sememe.text import Tokens, batches

_STRENGTHS = (0.7, 0.8, 0.9, 1.0)
_CLIPS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
_KEPT_ROWS = 1500
_BUDGET = 2048


def calibrate(
    checkpoint: Checkpoint, output: Output, seen: Tokens, held_back: Tokens, source: str
) -> Ranges:
    """Measure the ranges of a checkpoint on tokens, and what they cost on those held back.

    Args:
        checkpoint: the model.
        output: a pooling, or `scores` of a cross-encoder.
        seen: what the ranges are measured on.
        held_back: what the fidelity is measured on.
        source: where the texts came from, for the fidelity.
    """
    inputs = _input_ranges(checkpoint, seen)
    exact = OpenVinoEngine(checkpoint, output, precision="f32")
    components = _values(exact, seen)
    unfinished = Ranges(
        inputs,
        unit=float(np.abs(_unit(components)).max()),
        pooled=float(np.abs(components).max()),
        fidelity=Fidelity(0, 0, 0, source),
        output=output_name(output),
    )
    rounded = OpenVinoEngine(checkpoint, output, precision="int8", ranges=unfinished)
    measure = "correlation" if output == "scores" else "cosine"
    mean, least = _MEASURES[measure](_values(exact, held_back), _values(rounded, held_back))
    fidelity = Fidelity(mean, least, len(held_back.lengths), source, measure)
    return replace(unfinished, fidelity=fidelity)


def _values(engine: OpenVinoEngine, tokens: Tokens) -> Array:
    found = np.empty((len(tokens.lengths), engine.dim), np.float32)
    rows = np.arange(len(tokens.lengths))
    for batch, values in engine.run(batches(tokens, rows, _BUDGET)):
        found[batch.rows] = values
    return found


def _cosines(exact: Array, rounded: Array) -> tuple[float, float]:
    cosines = (_unit(exact) * _unit(rounded)).sum(axis=1)
    return float(cosines.mean()), float(cosines.min())


def _correlation(exact: Array, rounded: Array) -> tuple[float, float]:
    """The correlation of all logits, and of the worst one: how far off, in their deviations."""
    correlation = np.corrcoef(exact.ravel(), rounded.ravel())[0, 1]
    farthest = np.abs(exact - rounded).max() / max(float(exact.std()), 1e-9)
    return float(correlation), float(1 - farthest)


_MEASURES = {"cosine": _cosines, "correlation": _correlation}


def _unit(vectors: Array) -> Array:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


class _Seen:
    """What was seen of one input: each channel's least and largest value, and some whole rows."""

    def __init__(self, channels: int) -> None:
        self.least = np.zeros(channels, np.float32)
        self.largest = np.zeros(channels, np.float32)
        self.rows: list[Array] = []

    def add(self, values: Array, chosen: np.ndarray) -> None:
        self.least = np.minimum(self.least, values.min(axis=0))
        self.largest = np.maximum(self.largest, values.max(axis=0))
        self.rows.append(values[chosen])


def _input_ranges(checkpoint: Checkpoint, tokens: Tokens) -> dict[str, InputRange]:
    recorder = Recorder()
    graph, model, _ = build(checkpoint, "tokens", recorder)
    names = list(recorder.inputs)
    model = openvino.Model(list(recorder.inputs.values()), model.get_parameters(), "recorded")
    compiled = core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    seen = {name: _Seen(recorder.weights[name][0].shape[1]) for name in names}
    chance = np.random.default_rng(0)
    share = min(1.0, _KEPT_ROWS / int(tokens.lengths.sum()))
    for batch in batches(tokens, np.arange(len(tokens.lengths)), _BUDGET):
        found = compiled(graph.feeds(batch))
        real = np.arange(batch.ids.shape[1]) < batch.lengths[:, None]
        chosen = chance.random(int(real.sum())) < share
        for index, name in enumerate(names):
            seen[name].add(found[index][real], chosen)
    return {name: _best(seen[name], np.concatenate(recorder.weights[name])) for name in names}


def _best(seen: _Seen, weight: Array) -> InputRange:
    """The smoothing and clipping whose int8 product is nearest to the float one."""
    rows = np.concatenate(seen.rows)
    exact = rows @ weight.T
    channel = np.maximum(np.maximum(seen.largest, -seen.least), 1e-5)
    column = np.maximum(np.abs(weight).max(axis=0), 1e-5)
    best, least_error = None, np.inf
    for strength in _STRENGTHS:
        smoothing = channel**strength / column ** (1 - strength)
        smoothing = (smoothing / np.exp(np.log(smoothing).mean())).astype(np.float32)
        whole, scale = int8_weight(weight * smoothing)
        restored, smooth = whole * scale, rows / smoothing
        low = float((seen.least / smoothing).min())
        high = max(float((seen.largest / smoothing).max()), low + 1e-6)
        for clip in _CLIPS:
            found = InputRange(smoothing, low * clip, high * clip)
            error = float(np.square(_restored(smooth, found) @ restored.T - exact).mean())
            if error < least_error:
                best, least_error = found, error
    assert best is not None, "an error that is not a number: the weights were checked for that"
    return best


def _restored(smooth: Array, found: InputRange) -> Array:
    size, zero = steps(found.low, found.high)
    return np.asarray((np.clip(np.rint(smooth / size), -zero, LEVELS - 1 - zero)) * size)
