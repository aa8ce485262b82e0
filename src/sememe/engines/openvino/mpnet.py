"""MPNet (Song et al., 2020): BERT without types whose attention also knows how far away a token is.

The distance is rounded to a bucket, as in T5 (Raffel et al., 2020); each head has a bias for each
bucket, the same in all layers.
"""

import numpy as np
import openvino.opset13 as ops

from sememe.checkpoint import Checkpoint
from sememe.engines.openvino.blocks import Inputs, Node, Product, constant, ints, scalar
from sememe.engines.openvino.post_norm import Names, PostNorm
from sememe.engines.openvino.roberta import logits

__all__ = ["hidden_states", "logits"]

_NAMES = Names(
    query="attention.attn.q",
    key="attention.attn.k",
    value="attention.attn.v",
    mixed="attention.attn.o",
    mixed_norm="attention.LayerNorm",
)
_BUCKETS, _FARTHEST = 32, 128


def hidden_states(checkpoint: Checkpoint, inputs: Inputs, product: Product) -> tuple[Node, int]:
    """Build the encoder: the last hidden states [b, t, h], and h."""
    encoder = PostNorm(checkpoint, product, _NAMES)
    encoder.settings.must_be("relative_attention_num_buckets", _BUCKETS)
    x = encoder.embeddings(inputs, encoder.hidden, types=False)
    table = encoder.base.tensor("encoder.relative_attention_bias.weight", _BUCKETS, encoder.heads)
    bias = ops.add(inputs.attention_bias(), _relative(inputs, table))
    return encoder.layers(x, bias), encoder.hidden


def bucket(distance: int) -> int:
    """The bucket of a distance: a side has eight exact ones, then eight that widen to 128."""
    far = abs(distance)
    if far >= 8:
        # Two buckets for each doubling: 8 + floor(2 log2(far / 8)), without rounding.
        far = min(15, 7 + (far * far // 64).bit_length())
    return far + (16 if distance > 0 else 0)


def _relative(inputs: Inputs, table: np.ndarray) -> Node:
    """The bias [1, heads, t, t] of each head for each two positions."""
    distances = range(-_FARTHEST, _FARTHEST + 1)
    biases = constant(np.ascontiguousarray(table[[bucket(d) for d in distances]]))
    away = ops.subtract(
        ops.unsqueeze(inputs.positions, ints(0)), ops.unsqueeze(inputs.positions, ints(1))
    )
    rows = ops.add(ops.clamp(away, -_FARTHEST, _FARTHEST), scalar(_FARTHEST, np.int32))
    found = ops.gather(biases, rows, scalar(0, np.int32))
    return ops.unsqueeze(ops.transpose(found, ints(2, 0, 1)), ints(0))
