"""ModernBERT (Warner et al., 2024): norms first, rotary positions, local and global attention.

Both transformers 5's and transformers 4's config.json are read.
"""

from collections.abc import Callable, Iterable

import numpy as np
import openvino.opset13 as ops

from sememe.checkpoint import Checkpoint
from sememe.checkpoint.files import Config
from sememe.engines.openvino import blocks as nn
from sememe.engines.openvino.blocks import Inputs, Layers, Node, Product
from sememe.errors import CheckpointError

_WORDS = "embeddings.tok_embeddings"
_LOCAL, _GLOBAL = "sliding_attention", "full_attention"
_THETAS = {_LOCAL: ("local_rope_theta", 10_000.0), _GLOBAL: ("global_rope_theta", 160_000.0)}

# No tensor says how many positions there are, and there is a table of them.
_MOST_POSITIONS = 65_536

Rotation = Callable[[Node], Node]
"""What is done to the queries and keys of all heads, [b, t, h]."""


def hidden_states(
    checkpoint: Checkpoint, inputs: Inputs, product: Product, token: Node | None
) -> tuple[Node, int]:
    """Build the encoder: the last hidden states [b, t, h], or [b, 1, h] of a token, and h."""
    config, weights = checkpoint.settings, checkpoint.weights
    config.must_divide("num_attention_heads", "hidden_size")
    hidden = config.size("hidden_size")
    prefix = weights.prefix(f"{_WORDS}.weight")
    base = Layers(weights, prefix)
    x = base.embedding(_WORDS, inputs.ids, config.size("vocab_size"), hidden)
    x = _norm(base, config, x, "embeddings.norm")
    count = config.layers("num_hidden_layers", weights, prefix + "layers.{}.mlp.Wo.weight")
    # Half of the window is before a token, half behind it; what is beyond the text is not there.
    reach = min(config.size("local_attention", 128) // 2, checkpoint.max_length)
    biases = {_LOCAL: inputs.attention_bias(reach), _GLOBAL: inputs.attention_bias()}
    rotations = {kind: _rotation(checkpoint, config, inputs, kind) for kind in _THETAS}
    for index, kind in enumerate(_kinds(checkpoint, config, count)):
        layers = Layers(weights, f"{prefix}layers.{index}.", product)
        normed = x if index == 0 else _norm(layers, config, x, "attn_norm")
        query = token if index == count - 1 else None
        bias = nn.at(biases[kind], query, axis=2) if kind == _LOCAL else biases[kind]
        mixed = _attention(layers, config, normed, bias, rotations[kind], query)
        x = ops.add(nn.at(x, query), mixed)
        x = ops.add(x, _gated(layers, config, _norm(layers, config, x, "mlp_norm")))
    return _norm(base, config, x, "final_norm"), hidden


def _kinds(checkpoint: Checkpoint, config: Config, count: int) -> Iterable[str]:
    """Which of the layers attend to all tokens, and which only to those nearby."""
    kinds = checkpoint.config.get("layer_types")
    if kinds is None:
        every = config.size("global_attn_every_n_layers", 3)
        return (_LOCAL if index % every else _GLOBAL for index in range(count))
    if not isinstance(kinds, list) or len(kinds) != count or not {*map(str, kinds)} <= {*_THETAS}:
        raise CheckpointError(
            f"{config.file}: layer_types must name {_GLOBAL} or {_LOCAL} for {count} layers."
        )
    return kinds


def _rotation(checkpoint: Checkpoint, config: Config, inputs: Inputs, kind: str) -> Rotation:
    """Rotary positions (Su et al., 2021), from a table of their angles."""
    old_key, default = _THETAS[kind]
    config.must_be("rope_scaling", None)
    config.part("rope_parameters").must_be("rope_theta", None)
    rope = config.part("rope_parameters").part(kind)
    rope.must_be("rope_type", "default")
    theta = rope.number("rope_theta", config.number(old_key, default))
    hidden, heads = config.size("hidden_size"), config.size("num_attention_heads")
    size = hidden // heads
    if size % 2 or checkpoint.max_length > _MOST_POSITIONS:
        raise CheckpointError(
            f"{config.file}: rotary positions need heads of an even size (they have {size}) and "
            f"at most {_MOST_POSITIONS:,} positions (there are {checkpoint.max_length:,})."
        )
    # Not computed in the graph, which may be compiled for bfloat16: large angles would be lost.
    frequencies = 1 / np.float32(theta) ** (np.arange(0, size, 2, dtype=np.float32) / size)
    angles = np.arange(checkpoint.max_length, dtype=np.float32)[:, None] * frequencies
    cos, sin = (
        ops.gather(nn.constant(table[:, None]), inputs.positions, nn.scalar(0, np.int32))
        for table in (np.cos(angles), np.sin(angles))
    )

    def rotate(x: Node) -> Node:
        split = ops.split(
            ops.reshape(x, nn.ints(0, 0, heads, size), True), nn.scalar(3, np.int32), 2
        )
        real, imaginary = split.outputs()
        rotated_real = ops.subtract(ops.multiply(real, cos), ops.multiply(imaginary, sin))
        rotated_imaginary = ops.add(ops.multiply(imaginary, cos), ops.multiply(real, sin))
        rotated = ops.concat([rotated_real, rotated_imaginary], axis=3)
        return ops.reshape(rotated, nn.ints(0, 0, hidden), True)

    return rotate


def _attention(
    layers: Layers, config: Config, x: Node, bias: Node, rotate: Rotation, token: Node | None
) -> Node:
    hidden, heads = config.size("hidden_size"), config.size("num_attention_heads")
    biased = config.flag("attention_bias")
    joined = layers.linear(x, "attn.Wqkv", hidden, 3 * hidden, bias=biased)
    query, key, value = ops.split(joined, nn.scalar(2, np.int32), 3).outputs()
    query = nn.at(rotate(query), token)
    mixed = nn.attention(query, rotate(key), value, bias, heads, hidden // heads)
    return layers.linear(mixed, "attn.Wo", hidden, hidden, bias=biased)


def _gated(layers: Layers, config: Config, x: Node) -> Node:
    """A GeGLU layer (Shazeer, 2020)."""
    hidden, inner = config.size("hidden_size"), config.size("intermediate_size")
    biased = config.flag("mlp_bias")
    joined = layers.linear(x, "mlp.Wi", hidden, 2 * inner, bias=biased)
    x, gate = ops.split(joined, nn.scalar(2, np.int32), 2).outputs()
    x = nn.activation(config.text("hidden_activation", "gelu"), x, config.file)
    return layers.linear(ops.multiply(x, gate), "mlp.Wo", inner, hidden, bias=biased)


def _norm(layers: Layers, config: Config, x: Node, name: str) -> Node:
    size, eps = config.size("hidden_size"), config.number("norm_eps", 1e-5)
    return layers.norm(x, name, size, eps, bias=config.flag("norm_bias"))


def logits(checkpoint: Checkpoint, inputs: Inputs, states: Node, size: int, labels: int) -> Node:
    """`[CLS]`, or the mean, through a layer with a norm and a linear one: [b, labels]."""
    config, layers = checkpoint.settings, Layers(checkpoint.weights, "")
    pooling = config.text("classifier_pooling", "cls")
    if pooling not in ("cls", "mean"):
        raise CheckpointError(
            f"{config.file}: classifier_pooling is {pooling!r}; cls and mean are read."
        )
    x = nn.first_token(states)
    if pooling == "mean":
        x = ops.divide(*nn.weighted_sum(states, ops.convert(inputs.counted, "f32")))
    x = layers.linear(x, "head.dense", size, size, bias=config.flag("classifier_bias"))
    x = nn.activation(config.text("classifier_activation", "gelu"), x, config.file)
    x = _norm(layers, config, x, "head.norm")
    return layers.linear(x, "classifier", size, labels)
