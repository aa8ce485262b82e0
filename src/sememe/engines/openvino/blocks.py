"""What transformer graphs are built of: a checked config, inputs, and layers as OpenVINO nodes.

A node's shape is written as [b, t, h]: texts, tokens, hidden size.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino.opset13 as ops

from sememe.checkpoint import Weights
from sememe.errors import CheckpointError
from sememe.text import Batch

Node = Any  # openvino ships no usable types
Product = Callable[[Node, str, npt.NDArray[np.float32], Node | None], Node]
"""x·Wᵀ of a node, the name of a weight, and the weight (outside, inside); of one token of each text
alone, where there is an index [b, 1] of it."""

# transformers' names for activations; its three tanh approximations of GELU are one function.
_ACTIVATIONS = {
    "gelu": lambda x: ops.gelu(x, "erf"),
    "gelu_new": lambda x: ops.gelu(x, "tanh"),
    "gelu_fast": lambda x: ops.gelu(x, "tanh"),
    "gelu_pytorch_tanh": lambda x: ops.gelu(x, "tanh"),
    "identity": lambda x: x,
    "relu": ops.relu,
    "sigmoid": ops.sigmoid,
    "silu": ops.swish,
    "swish": ops.swish,
    "tanh": ops.tanh,
}


def constant(value: npt.ArrayLike) -> Node:
    """A constant node; a large array is shared with the graph, not copied."""
    array = np.asarray(value)
    return ops.constant(array, shared_memory=array.ndim > 0 and array.flags.c_contiguous)


def ints(*values: int) -> Node:
    """A constant int32 vector, for axes and shapes."""
    return constant(np.array(values, np.int32))


def scalar(value: float, dtype: npt.DTypeLike = np.float32) -> Node:
    """A constant scalar."""
    return constant(np.array(value, dtype))


def activation(name: str, x: Node, source: str) -> Node:
    """Apply an activation that a file names; CheckpointError lists those that are known."""
    if name not in _ACTIVATIONS:
        raise CheckpointError(
            f"{source}: the activation {name!r} is not known; there are {', '.join(_ACTIVATIONS)}."
        )
    return _ACTIVATIONS[name](x)


def float_product(
    x: Node, _: str, weight: npt.NDArray[np.float32], token: Node | None = None
) -> Node:
    """x·Wᵀ in the precision that the graph is compiled for."""
    return ops.matmul(at(x, token), constant(weight), transpose_a=False, transpose_b=True)


def at(x: Node, token: Node | None, axis: int = 1) -> Node:
    """One token of each text, at an index [b, 1]: [b, t, h] to [b, 1, h]; all where it is None."""
    return x if token is None else ops.gather(x, token, scalar(axis, np.int32), 1)


class Inputs:
    """What goes into a graph: token ids [b, t], lengths [b], and what else the output needs."""

    def __init__(self, *, skip: bool = False, pairs: bool = False) -> None:
        self.ids = ops.parameter([-1, -1], np.int32, name="ids")
        self.lengths = ops.parameter([-1], np.int32, name="lengths")
        self.skip = ops.parameter([], np.int32, name="skip") if skip else None
        self._second = ops.parameter([-1], np.int32, name="second") if pairs else None
        longest = ops.gather(
            ops.shape_of(self.ids, "i32"), scalar(1, np.int32), scalar(0, np.int32)
        )
        self.positions = ops.range(scalar(0, np.int32), longest, scalar(1, np.int32), "i32")
        self._row = ops.unsqueeze(self.positions, ints(0))
        self.valid = ops.less(self._row, ops.unsqueeze(self.lengths, ints(1)))
        """[b, t]: true where there is a token, false where there is padding."""
        counted = self.valid
        if self.skip is not None:
            counted = ops.logical_and(
                counted, ops.unsqueeze(ops.greater_equal(self.positions, self.skip), ints(0))
            )
        self.counted = ops.unsqueeze(counted, ints(2))
        """[b, t, 1]: true where a token is pooled."""

    @property
    def parameters(self) -> list[Node]:
        """The graph's parameters, in the order in which they are fed."""
        return [x for x in (self.ids, self.lengths, self.skip, self._second) if x is not None]

    def feeds(self, batch: Batch) -> list[npt.NDArray[np.int32]]:
        """A batch's arrays, in the order of the parameters."""
        fed = [batch.ids, batch.lengths]
        if self.skip is not None:
            fed.append(np.array(batch.skip, np.int32))
        if self._second is not None:
            fed.append(batch.lengths if batch.second is None else batch.second)
        return fed

    def types(self) -> Node | None:
        """[b, t]: 0 for a token of the first type, 1 for the second; None where all are 0."""
        if self._second is None:
            return None
        return ops.convert(
            ops.greater_equal(self._row, ops.unsqueeze(self._second, ints(1))), "i32"
        )

    def attention_bias(self, reach: int | None = None) -> Node:
        """[b, 1, 1, t]: 0 for a token, a large negative number for padding.

        With a reach [b, 1, t, t]: that number also for a token farther away than that.
        """
        # Not minus infinity: a row without any token would become NaN.
        bias = ops.select(self.valid, scalar(0), scalar(-1e9))
        bias = ops.unsqueeze(bias, ints(1, 2))
        if reach is None:
            return bias
        away = ops.abs(ops.subtract(self._row, ops.unsqueeze(self.positions, ints(1))))
        return ops.select(ops.less_equal(away, scalar(reach, np.int32)), bias, scalar(-1e9))


class Layers:
    """Layers whose weights stand under one prefix of a checkpoint's tensor names."""

    def __init__(self, weights: Weights, prefix: str, product: Product = float_product) -> None:
        self._weights = weights
        self._prefix = prefix
        self._product = product

    def tensor(self, name: str, *shape: int) -> npt.NDArray[np.float32]:
        """The tensor `prefix + name`, checked against a shape."""
        return self._weights.get(self._prefix + name, shape)

    def embedding(self, name: str, indices: Node, rows: int, size: int) -> Node:
        """Rows of a table: [...] to [..., size]."""
        table = constant(self.tensor(f"{name}.weight", rows, size))
        return ops.gather(table, indices, scalar(0, np.int32))

    def linear(
        self,
        x: Node,
        name: str,
        inside: int,
        outside: int,
        *,
        bias: bool = True,
        token: Node | None = None,
    ) -> Node:
        """x·Wᵀ + b: [..., inside] to [..., outside]; of one token a text by an index [b, 1]."""
        weight = self.tensor(f"{name}.weight", outside, inside)
        product = self._product(x, f"{self._prefix}{name}", weight, token)
        if not bias:
            return product
        return ops.add(product, constant(self.tensor(f"{name}.bias", outside)))

    def norm(self, x: Node, name: str, size: int, eps: float, *, bias: bool = True) -> Node:
        """Layer normalisation over the last axis (Ba, Kiros, Hinton, 2016)."""
        # Checkpoints converted from TensorFlow call weight and bias gamma and beta.
        old = f"{self._prefix}{name}.gamma" in self._weights
        scale, shift = ("gamma", "beta") if old else ("weight", "bias")
        unit = ops.mvn(x, ints(-1), True, eps, "inside_sqrt")
        scaled = ops.multiply(unit, constant(self.tensor(f"{name}.{scale}", size)))
        return ops.add(scaled, constant(self.tensor(f"{name}.{shift}", size))) if bias else scaled


def attention(query: Node, key: Node, value: Node, bias: Node, heads: int, size: int) -> Node:
    """Scaled dot-product attention (Vaswani et al., 2017): [b, q, h] and two [b, t, h] to one."""
    parts = (
        ops.transpose(ops.reshape(x, ints(0, 0, heads, size), True), ints(0, 2, 1, 3))
        for x in (query, key, value)
    )
    mixed = ops.scaled_dot_product_attention(*parts, bias)
    return ops.reshape(ops.transpose(mixed, ints(0, 2, 1, 3)), ints(0, 0, heads * size), True)


def first_token(states: Node) -> Node:
    """The vector of each text's first token: [b, h] of [b, t, h]."""
    return ops.gather(states, scalar(0, np.int32), scalar(1, np.int32))


def weighted_sum(states: Node, weights: Node) -> tuple[Node, Node]:
    """The sum of token vectors [b, t, h] weighted by [b, t, 1]: [b, h], and of weights: [b, 1]."""
    total = ops.reduce_sum(ops.multiply(states, weights), ints(1))
    return total, ops.maximum(ops.reduce_sum(weights, ints(1)), scalar(1e-9))
