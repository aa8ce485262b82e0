"""Measure the ranges that int8 needs, on calibration texts, in float32.

For every input of a product, the smoothing of its channels (SmoothQuant: Xiao et al., 2023) and
the clipping of its range are those, of a grid, whose int8 product is nearest to the float32 one.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sememe.checkpoint import Checkpoint
from sememe.checkpoint.modules import Pooling
from sememe.engines.engine import Array
from sememe.engines.openvino.graph import build
from sememe.engines.openvino.quantized import LEVELS, Recorder, int8_weight, steps
from sememe.engines.openvino.runtime import OpenVinoEngine, core
from sememe.engines.openvino.silence import openvino
from sememe.engines.ranges import Fidelity, InputRange, Ranges
from sememe.text import Tokenizer, Tokens, batches

BUNDLED = Path(__file__).parents[1] / "calibration.txt"

_STRENGTHS = (0.7, 0.8, 0.9, 1.0)
_CLIPS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
_KEPT_ROWS = 1500
_BUDGET = 2048
_HELD_BACK = 5  # every fifth text


def calibrate(
    checkpoint: Checkpoint,
    pooling: Pooling,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    source: str,
) -> Ranges:
    """Measure the ranges of a checkpoint, and what they cost on the texts that are held back."""
    held_back = tokenizer([text for i, text in enumerate(texts) if i % _HELD_BACK == 0])
    # No text at all is also a text, and its vector is unlike the others'.
    tokens = tokenizer(["", *(text for i, text in enumerate(texts) if i % _HELD_BACK)])
    inputs = _input_ranges(checkpoint, tokens)
    exact = OpenVinoEngine(checkpoint, pooling, precision="f32")
    components = _vectors(exact, tokens)
    unfinished = Ranges(
        inputs,
        unit=float(np.abs(_unit(components)).max()),
        pooled=float(np.abs(components).max()),
        fidelity=Fidelity(0, 0, 0, source),
    )
    rounded = OpenVinoEngine(checkpoint, pooling, precision="int8", ranges=unfinished)
    cosines = (_unit(_vectors(exact, held_back)) * _unit(_vectors(rounded, held_back))).sum(axis=1)
    fidelity = Fidelity(float(cosines.mean()), float(cosines.min()), len(cosines), source)
    return replace(unfinished, fidelity=fidelity)


def _vectors(engine: OpenVinoEngine, tokens: Tokens) -> Array:
    found = np.empty((len(tokens.lengths), engine.dim), np.float32)
    rows = np.arange(len(tokens.lengths))
    for batch, vectors in engine.run(batches(tokens, rows, _BUDGET)):
        found[batch.rows] = vectors
    return found


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
    model, _ = build(checkpoint, None, recorder)
    names = list(recorder.inputs)
    model = openvino.Model(list(recorder.inputs.values()), model.get_parameters(), "recorded")
    compiled = core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    seen = {name: _Seen(recorder.weights[name][0].shape[1]) for name in names}
    chance = np.random.default_rng(0)
    share = min(1.0, _KEPT_ROWS / int(tokens.lengths.sum()))
    for batch in batches(tokens, np.arange(len(tokens.lengths)), _BUDGET):
        found = compiled([batch.ids, batch.lengths])
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
