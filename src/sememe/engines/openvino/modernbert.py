"""ModernBERT (Warner et al., 2024): norms first, rotary positions, local and global attention.

transformers 5 writes `layer_types` and `rope_parameters` into config.json, transformers 4 wrote
`global_attn_every_n_layers`, `global_rope_theta` and `local_rope_theta`; both are read.
"""

from collections.abc import Callable

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
from sememe.engines.openvino.head import first_token, mean
from sememe.engines.openvino.settings import Settings
from sememe.errors import CheckpointError

_WORDS = "embeddings.tok_embeddings"
_LOCAL, _GLOBAL = "sliding_attention", "full_attention"
_THETAS = {_LOCAL: ("local_rope_theta", 10_000.0), _GLOBAL: ("global_rope_theta", 160_000.0)}

# No tensor says how many positions there are, and there is a table of them.
_MOST_POSITIONS = 65_536

Rotation = Callable[[Node], Node]
"""What is done to the queries and keys of all heads, [b, t, h]."""


def hidden_states(checkpoint: Checkpoint, inputs: Inputs, product: Product) -> tuple[Node, int]:
    """Build the encoder: the last hidden states [b, t, h], and h."""
    settings, weights = Settings(checkpoint), checkpoint.weights
    settings.must_divide("num_attention_heads", "hidden_size")
    hidden = settings.size("hidden_size")
    prefix = weights.prefix(f"{_WORDS}.weight")
    base = Layers(weights, prefix)
    x = base.embedding(_WORDS, inputs.ids, settings.size("vocab_size"), hidden)
    x = _norm(base, settings, x, "embeddings.norm")
    count = settings.layers("num_hidden_layers", weights, prefix + "layers.{}.mlp.Wo.weight")
    kind_of = _kinds(checkpoint, settings, count)
    # Half of the window is before a token, half behind it; what is beyond the text is not there.
    reach = min(settings.size("local_attention", 128) // 2, checkpoint.max_length)
    biases = {_LOCAL: inputs.attention_bias(reach), _GLOBAL: inputs.attention_bias()}
    rotations = {kind: _rotation(checkpoint, settings, inputs, kind) for kind in _THETAS}
    for index in range(count):
        layers = Layers(weights, f"{prefix}layers.{index}.", product)
        kind = kind_of(index)
        known = x if index == 0 else _norm(layers, settings, x, "attn_norm")
        mixed = _attention(layers, settings, known, biases[kind], rotations[kind])
        x = ops.add(x, mixed)
        x = ops.add(x, _gated(layers, settings, _norm(layers, settings, x, "mlp_norm")))
    return _norm(base, settings, x, "final_norm"), hidden


def _kinds(checkpoint: Checkpoint, settings: Settings, count: int) -> Callable[[int], str]:
    """Which of the layers attend to all tokens, and which only to those nearby."""
    listed = checkpoint.config.get("layer_types")
    if listed is None:
        every = settings.size("global_attn_every_n_layers", 3)
        return lambda index: _LOCAL if index % every else _GLOBAL
    if (
        not isinstance(listed, list)
        or len(listed) != count
        or any(kind not in (_LOCAL, _GLOBAL) for kind in listed)
    ):
        raise CheckpointError(
            f"{settings.where}: layer_types must say {_GLOBAL} or {_LOCAL} for each of the "
            f"{count} layers."
        )
    return listed.__getitem__


def _rotation(checkpoint: Checkpoint, settings: Settings, inputs: Inputs, kind: str) -> Rotation:
    """Rotary positions (Su et al., 2021), from a table of their angles."""
    old, usual = _THETAS[kind]
    settings.must_be("rope_scaling", None)
    settings.part("rope_parameters").must_be("rope_theta", None)
    rope = settings.part("rope_parameters").part(kind)
    rope.must_be("rope_type", "default")
    theta = rope.number("rope_theta", settings.number(old, usual))
    hidden, heads = settings.size("hidden_size"), settings.size("num_attention_heads")
    size = hidden // heads
    if size % 2 or checkpoint.max_length > _MOST_POSITIONS:
        raise CheckpointError(
            f"{settings.where}: rotary positions need heads of an even size (they have {size}) and "
            f"at most {_MOST_POSITIONS:,} positions (there are {checkpoint.max_length:,})."
        )
    # Not computed in the graph, which may be compiled for bfloat16: large angles would be lost.
    frequencies = 1 / np.float32(theta) ** (np.arange(0, size, 2, dtype=np.float32) / size)
    angles = np.arange(checkpoint.max_length, dtype=np.float32)[:, None] * frequencies
    cos, sin = (
        ops.gather(constant(table[:, None]), inputs.positions, scalar(0, np.int32))
        for table in (np.cos(angles), np.sin(angles))
    )

    def rotate(x: Node) -> Node:
        split = ops.split(ops.reshape(x, ints(0, 0, heads, size), True), scalar(3, np.int32), 2)
        left, right = split.outputs()
        turned_left = ops.subtract(ops.multiply(left, cos), ops.multiply(right, sin))
        turned_right = ops.add(ops.multiply(right, cos), ops.multiply(left, sin))
        turned = ops.concat([turned_left, turned_right], axis=3)
        return ops.reshape(turned, ints(0, 0, hidden), True)

    return rotate


def _attention(layers: Layers, settings: Settings, x: Node, bias: Node, rotate: Rotation) -> Node:
    hidden, heads = settings.size("hidden_size"), settings.size("num_attention_heads")
    biased = settings.flag("attention_bias")
    joined = layers.linear(x, "attn.Wqkv", hidden, 3 * hidden, bias=biased)
    query, key, value = ops.split(joined, scalar(2, np.int32), 3).outputs()
    mixed = attention(rotate(query), rotate(key), value, bias, heads, hidden // heads)
    return layers.linear(mixed, "attn.Wo", hidden, hidden, bias=biased)


def _gated(layers: Layers, settings: Settings, x: Node) -> Node:
    """A GeGLU layer (Shazeer, 2020)."""
    hidden, inner = settings.size("hidden_size"), settings.size("intermediate_size")
    biased = settings.flag("mlp_bias")
    joined = layers.linear(x, "mlp.Wi", hidden, 2 * inner, bias=biased)
    opened, gate = ops.split(joined, scalar(2, np.int32), 2).outputs()
    opened = activation(settings.text("hidden_activation", "gelu"), opened, settings.where)
    return layers.linear(ops.multiply(opened, gate), "mlp.Wo", inner, hidden, bias=biased)


def _norm(layers: Layers, settings: Settings, x: Node, name: str) -> Node:
    size, eps = settings.size("hidden_size"), settings.number("norm_eps", 1e-5)
    return layers.norm(x, name, size, eps, bias=settings.flag("norm_bias"))


def logits(checkpoint: Checkpoint, inputs: Inputs, states: Node, size: int, labels: int) -> Node:
    """`[CLS]`, or the mean, through a layer with a norm and a linear one: [b, labels]."""
    settings, layers = Settings(checkpoint), Layers(checkpoint.weights, "")
    pooling = settings.text("classifier_pooling", "cls")
    if pooling not in ("cls", "mean"):
        raise CheckpointError(
            f"{settings.where}: classifier_pooling is {pooling!r}; cls and mean are read."
        )
    x = first_token(states) if pooling == "cls" else mean(inputs, states, size)
    x = layers.linear(x, "head.dense", size, size, bias=settings.flag("classifier_bias"))
    x = activation(settings.text("classifier_activation", "gelu"), x, settings.where)
    x = _norm(layers, settings, x, "head.norm")
    return layers.linear(x, "classifier", size, labels)
