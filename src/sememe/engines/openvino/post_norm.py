"""The encoder that normalises behind each sublayer (Vaswani et al., 2017), under any names.

BERT, RoBERTa, ELECTRA, MPNet and DistilBERT are this one encoder; they call its tensors and sizes
differently, and differ in what is added to its embeddings and its attention.
"""

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

_WORDS = "embeddings.word_embeddings"


@dataclass(frozen=True)
class Names:
    """What an architecture calls a layer's tensors and, in config.json, the sizes; first BERT's."""

    layer: str = "encoder.layer"
    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    mixed: str = "attention.output.dense"
    mixed_norm: str = "attention.output.LayerNorm"
    inner: str = "intermediate.dense"
    outer: str = "output.dense"
    outer_norm: str = "output.LayerNorm"
    layers: str = "num_hidden_layers"
    hidden_size: str = "hidden_size"
    heads: str = "num_attention_heads"
    inner_size: str = "intermediate_size"
    act: str = "hidden_act"


class PostNorm:
    """A checkpoint's encoder, to be built in two steps: `embeddings`, then `layers`.

    Attributes:
        settings: the checkpoint's config.json.
        base: the layers that are no encoder layer's; they always compute in floats.
        hidden: the size of a token vector.
        heads: the number of attention heads.
    """

    def __init__(self, checkpoint: Checkpoint, product: Product, names: Names) -> None:
        self.settings = Settings(checkpoint)
        self.settings.must_be("position_embedding_type", "absolute")
        self.settings.must_be("is_decoder", False)
        self.settings.must_divide(names.heads, names.hidden_size)
        self.hidden = self.settings.size(names.hidden_size)
        self.heads = self.settings.size(names.heads)
        self._checkpoint = checkpoint
        self._product = product
        self._names = names
        self._prefix = checkpoint.weights.prefix(f"{_WORDS}.weight")
        self._eps = self.settings.number("layer_norm_eps", 1e-12)
        self.base = Layers(checkpoint.weights, self._prefix)

    def embeddings(self, inputs: Inputs, size: int, *, types: bool = True) -> Node:
        """The sum of word, position and, where there are any, type vectors: [b, t, size]."""
        settings, base = self.settings, self.base
        words = base.embedding(_WORDS, inputs.ids, settings.size("vocab_size"), size)
        positions = settings.size("max_position_embeddings")
        table = base.tensor("embeddings.position_embeddings.weight", positions, size)
        table = table[self._checkpoint.first_position :]
        kinds = inputs.types() if types else None
        if types:
            count = settings.size("type_vocab_size")
            vectors = base.tensor("embeddings.token_type_embeddings.weight", count, size)
            # A single text has type 0 throughout: its vector can be added to every position's.
            table = table + vectors[0]
        position = ops.gather(constant(table), inputs.positions, scalar(0, np.int32))
        summed = ops.add(words, ops.unsqueeze(position, ints(0)))
        if kinds is not None and count > 1:
            more = ops.gather(constant(vectors - vectors[0]), kinds, scalar(0, np.int32))
            summed = ops.add(summed, more)
        return base.norm(summed, "embeddings.LayerNorm", size, self._eps)

    def layers(self, x: Node, bias: Node) -> Node:
        """All layers on [b, t, hidden], with a bias [b, 1 or heads, 1 or t, t] of the attention."""
        names, weights = self._names, self._checkpoint.weights
        stem = f"{self._prefix}{names.layer}."
        count = self.settings.layers(names.layers, weights, stem + "{}." + f"{names.outer}.weight")
        for index in range(count):
            x = self._layer(Layers(weights, f"{stem}{index}.", self._product), x, bias)
        return x

    def _layer(self, layers: Layers, x: Node, bias: Node) -> Node:
        names, settings, size = self._names, self.settings, self.hidden
        query, key, value = (
            layers.linear(x, name, size, size) for name in (names.query, names.key, names.value)
        )
        mixed = attention(query, key, value, bias, self.heads, size // self.heads)
        mixed = layers.linear(mixed, names.mixed, size, size)
        x = layers.norm(ops.add(mixed, x), names.mixed_norm, size, self._eps)
        inside = settings.size(names.inner_size)
        inner = layers.linear(x, names.inner, size, inside)
        inner = activation(settings.text(names.act, "gelu"), inner, settings.where)
        outer = layers.linear(inner, names.outer, inside, size)
        return layers.norm(ops.add(outer, x), names.outer_norm, size, self._eps)
