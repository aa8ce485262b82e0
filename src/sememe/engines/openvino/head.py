"""What stands behind the transformer, as graph nodes: pooling, dense layers, normalisation.

The formulas are sentence-transformers' (Reimers and Gurevych, 2019), so that its checkpoints give
the same vectors here.
"""

from collections.abc import Callable

import numpy as np
import openvino.opset13 as ops

from sememe.checkpoint import Checkpoint, Weights
from sememe.checkpoint.modules import Dense, Normalize, Pooling
from sememe.engines.openvino.blocks import Inputs, Layers, Node, activation, ints, scalar
from sememe.errors import CheckpointError

Logits = Callable[[Checkpoint, Inputs, Node, int, int], Node]


def sentence_vectors(
    checkpoint: Checkpoint, pooling: Pooling, inputs: Inputs, states: Node, size: int
) -> tuple[Node, int]:
    """Pool [b, t, size] into [b, dim] and apply the checkpoint's Dense and Normalize modules.

    A Normalize at the very end is left to the caller, who may want the vector as it is.
    """
    pool = _Pool(inputs, states, size)
    pooled = [
        _pooler(checkpoint.weights, states, size) if mode == "pooler" else _MODES[mode](pool)
        for mode in pooling.modes
    ]
    x = pooled[0] if len(pooled) == 1 else ops.concat(pooled, axis=1)
    size *= len(pooled)
    modules = checkpoint.head[:-1] if checkpoint.normalized else checkpoint.head
    for module in modules:
        if isinstance(module, Normalize):
            x = ops.normalize_l2(x, ints(1), 1e-24, "max")
        else:
            x, size = _dense(module, x, size)
    return x, size


def first_token(states: Node) -> Node:
    """The vector of each text's first token: [b, h] of [b, t, h]."""
    return ops.gather(states, scalar(0, np.int32), scalar(1, np.int32))


def mean(inputs: Inputs, states: Node, size: int) -> Node:
    """The mean of each text's token vectors: [b, h] of [b, t, h]."""
    return _mean(_Pool(inputs, states, size))


def _pooler(weights: Weights, states: Node, size: int) -> Node:
    # Even where a prompt is left out: the layer was trained on a text's first token.
    try:
        layers = Layers(weights, weights.prefix("pooler.dense.weight"))
    except CheckpointError as error:
        raise CheckpointError(
            f'{error} It is the layer that the pooling "pooler" takes; this checkpoint needs '
            'another pooling, such as "mean".'
        ) from None
    return ops.tanh(layers.linear(first_token(states), "pooler.dense", size, size))


def classifier(hidden: str, act: str, last: str) -> Logits:
    """The classification head that most architectures have, its layers by their names.

    The first token's vector goes through a layer, an activation and a last layer: [b, labels].
    """

    def logits(checkpoint: Checkpoint, _: Inputs, states: Node, size: int, labels: int) -> Node:
        weights = checkpoint.weights
        layers = Layers(weights, weights.prefix(f"{hidden}.weight"))
        x = layers.linear(first_token(states), hidden, size, size)
        x = activation(act, x, str(weights.directory))
        return Layers(weights, "").linear(x, last, size, labels)

    return logits


def _dense(dense: Dense, x: Node, size: int) -> tuple[Node, int]:
    if dense.in_features != size:
        raise CheckpointError(
            f"{dense.folder / 'config.json'}: in_features is {dense.in_features}, but the module "
            f"before gives vectors of {size}."
        )
    layers = Layers(Weights(dense.folder), "")
    x = layers.linear(x, "linear", size, dense.out_features, bias=dense.bias)
    return activation(dense.activation.lower(), x, str(dense.folder)), dense.out_features


class _Pool:
    """What the pooling modes share: the token vectors and which of them count."""

    def __init__(self, inputs: Inputs, states: Node, size: int) -> None:
        self.states = states
        self.positions = inputs.positions
        self.lengths = inputs.lengths
        self.skip = inputs.skip
        self.size = size
        counted = inputs.valid
        if inputs.skip is not None:
            counted = ops.logical_and(
                counted, ops.unsqueeze(ops.greater_equal(inputs.positions, inputs.skip), ints(0))
            )
        self.counted = ops.unsqueeze(counted, ints(2))
        self.mask = ops.convert(self.counted, "f32")

    def weighted(self, weights: Node) -> tuple[Node, Node]:
        """The sum of weighted token vectors [b, h], and of the weights [b, 1]."""
        total = ops.reduce_sum(ops.multiply(self.states, weights), ints(1))
        return total, ops.maximum(ops.reduce_sum(weights, ints(1)), scalar(1e-9))

    def at(self, index: Node) -> Node:
        """The token vector at an index [b] of each text: [b, h]."""
        row = ops.gather(self.states, ops.unsqueeze(index, ints(1)), scalar(1, np.int32), 1)
        return ops.squeeze(row, ints(1))


def _cls(pool: _Pool) -> Node:
    first = ops.broadcast(scalar(0, np.int32), ops.shape_of(pool.lengths, "i32"))
    if pool.skip is not None:
        # A prompt's end can melt into the text's first token, and leave nothing behind the skip.
        first = ops.select(ops.less(pool.skip, pool.lengths), pool.skip, first)
    return pool.at(first)


def _lasttoken(pool: _Pool) -> Node:
    last = ops.subtract(pool.lengths, scalar(1, np.int32))
    return pool.at(ops.maximum(last, scalar(0, np.int32)))


def _max(pool: _Pool) -> Node:
    lowest = scalar(float(np.finfo(np.float32).min))
    return ops.reduce_max(ops.select(pool.counted, pool.states, lowest), ints(1))


def _mean(pool: _Pool) -> Node:
    return ops.divide(*pool.weighted(pool.mask))


def _mean_sqrt_len(pool: _Pool) -> Node:
    total, count = pool.weighted(pool.mask)
    return ops.divide(total, ops.sqrt(count))


def _weightedmean(pool: _Pool) -> Node:
    places = ops.convert(ops.add(pool.positions, scalar(1, np.int32)), "f32")
    return ops.divide(*pool.weighted(ops.multiply(pool.mask, ops.unsqueeze(places, ints(0, 2)))))


_MODES: dict[str, Callable[[_Pool], Node]] = {
    "cls": _cls,
    "max": _max,
    "mean": _mean,
    "mean_sqrt_len": _mean_sqrt_len,
    "weightedmean": _weightedmean,
    "lasttoken": _lasttoken,
}
