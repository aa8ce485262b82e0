"""BERT (Devlin et al., 2019) and all that is stored as `model_type: bert`: MiniLM, BGE, E5, GTE."""

from dataclasses import dataclass

import numpy as np
import openvino.opset13 as ops

from sememe.checkpoint import Checkpoint
from sememe.engines.openvino.blocks import (
    Inputs,
    Layers,
    Node,
    Product,
    activation,
    attention,
    constant,
    ints,
    scalar,
)
from sememe.engines.openvino.settings import Settings
from sememe.errors import CheckpointError

_WORDS = "embeddings.word_embeddings"


@dataclass(frozen=True)
class _Shape:
    hidden: int
    heads: int
    inner: int
    eps: float
    act: str
    where: str


def hidden_states(checkpoint: Checkpoint, inputs: Inputs, product: Product) -> tuple[Node, int]:
    """Build the encoder: the last hidden states [b, t, h], and h."""
    settings = Settings(checkpoint)
    settings.must_be("position_embedding_type", "absolute")
    settings.must_be("is_decoder", False)
    shape = _Shape(
        hidden=settings.size("hidden_size"),
        heads=settings.size("num_attention_heads"),
        inner=settings.size("intermediate_size"),
        eps=settings.number("layer_norm_eps", 1e-12),
        act=settings.text("hidden_act", "gelu"),
        where=settings.where,
    )
    settings.must_divide("num_attention_heads", "hidden_size")
    weights = checkpoint.weights
    prefix = weights.prefix(f"{_WORDS}.weight")
    x = _embeddings(Layers(weights, prefix), inputs, settings, shape)
    bias = inputs.attention_bias()
    layers = settings.size("num_hidden_layers")
    if (more := f"{prefix}encoder.layer.{layers}.output.dense.weight") in weights:
        raise CheckpointError(
            f"{settings.where}: num_hidden_layers is {layers}, but there is a tensor {more!r}."
        )
    for index in range(layers):
        x = _layer(Layers(weights, f"{prefix}encoder.layer.{index}.", product), x, bias, shape)
    return x, shape.hidden


def _embeddings(layers: Layers, inputs: Inputs, settings: Settings, shape: _Shape) -> Node:
    words = layers.embedding(_WORDS, inputs.ids, settings.size("vocab_size"), shape.hidden)
    places = layers.tensor(
        "embeddings.position_embeddings.weight",
        settings.size("max_position_embeddings"),
        shape.hidden,
    )
    types = layers.tensor(
        "embeddings.token_type_embeddings.weight", settings.size("type_vocab_size"), shape.hidden
    )
    # A single text has type 0 throughout, so its vector can be added to every position's.
    table = constant(places + types[0])
    position = ops.gather(table, inputs.positions, scalar(0, np.int32))
    summed = ops.add(words, ops.unsqueeze(position, ints(0)))
    kinds = inputs.types()
    if kinds is not None and len(types) > 1:
        more = ops.gather(constant(types - types[0]), kinds, scalar(0, np.int32))
        summed = ops.add(summed, more)
    return layers.norm(summed, "embeddings.LayerNorm", shape.hidden, shape.eps)


def _layer(layers: Layers, x: Node, bias: Node, shape: _Shape) -> Node:
    size = shape.hidden
    query, key, value = (
        layers.linear(x, f"attention.self.{name}", size, size) for name in ("query", "key", "value")
    )
    mixed = attention(query, key, value, bias, shape.heads, size // shape.heads)
    mixed = layers.linear(mixed, "attention.output.dense", size, size)
    x = layers.norm(ops.add(mixed, x), "attention.output.LayerNorm", size, shape.eps)
    inner = layers.linear(x, "intermediate.dense", size, shape.inner)
    inner = activation(shape.act, inner, shape.where)
    outer = layers.linear(inner, "output.dense", shape.inner, size)
    return layers.norm(ops.add(outer, x), "output.LayerNorm", size, shape.eps)


def logits(checkpoint: Checkpoint, _: Inputs, states: Node, size: int, labels: int) -> Node:
    """`[CLS]` through the tanh pooler and a linear classifier: [b, labels]."""
    weights = checkpoint.weights
    pooler = Layers(weights, weights.prefix("pooler.dense.weight"))
    first = ops.gather(states, scalar(0, np.int32), scalar(1, np.int32))
    pooled = ops.tanh(pooler.linear(first, "pooler.dense", size, size))
    return Layers(weights, "").linear(pooled, "classifier", size, labels)
