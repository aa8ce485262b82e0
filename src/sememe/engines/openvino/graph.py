"""From a checkpoint to a graph: its architecture, then the pooling and the modules behind it.

Poolings are sentence-transformers' (Reimers and Gurevych, 2019): the vectors are the same.
"""

from typing import Protocol

import numpy as np
import openvino
import openvino.opset13 as ops

from sememe.checkpoint import Checkpoint, Weights
from sememe.checkpoint.modules import Normalize, Pooling
from sememe.engines.engine import Output
from sememe.engines.openvino import blocks as nn
from sememe.engines.openvino import modernbert
from sememe.engines.openvino.blocks import Inputs, Layers, Node, Product
from sememe.engines.openvino.post_norm import BERT, DISTILBERT, ELECTRA, MPNET, ROBERTA
from sememe.errors import CheckpointError

# Raised whenever a change to the graphs would change their vectors.
GRAPH_VERSION = "openvino-2"


class Architecture(Protocol):
    """What builds one architecture's graph."""

    def hidden_states(
        self, checkpoint: Checkpoint, inputs: Inputs, product: Product, token: Node | None, /
    ) -> tuple[Node, int]:
        """The last hidden states [b, t, h], and h; with a token's index [b, 1], only its [b, 1, h].

        The layers before the last need all tokens; the last one then needs all keys and values, but
        that token's query, attention and feed-forward alone. No bit of its vector changes.
        """
        ...

    def logits(
        self, checkpoint: Checkpoint, inputs: Inputs, states: Node, size: int, labels: int, /
    ) -> Node:
        """The classification head on the last hidden states: [b, labels]."""
        ...


ARCHITECTURES: dict[str, Architecture] = {
    "bert": BERT,
    "camembert": ROBERTA,
    "distilbert": DISTILBERT,
    "electra": ELECTRA,
    "modernbert": modernbert,
    "mpnet": MPNET,
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA,
}


def build(
    checkpoint: Checkpoint, output: Output, product: Product = nn.float_product
) -> tuple[Inputs, openvino.Model, int]:
    """The graph's inputs, the graph, and the size of its vectors or the number of its scores.

    `product` is how the transformer multiplies with its weights. CheckpointError for an
    architecture that is not read, or weights that contradict the config.
    """
    kind = checkpoint.config.get("model_type")
    if not isinstance(kind, str) or kind not in ARCHITECTURES:
        raise CheckpointError(
            f"{checkpoint.transformer / 'config.json'}: the architecture {kind!r} is not read; "
            f'those that are: {", ".join(sorted(ARCHITECTURES))}. engine="torch" reads more.'
        )
    architecture = ARCHITECTURES[kind]
    skip = isinstance(output, Pooling) and not output.include_prompt
    # A cross-encoder's ranges are measured on its token vectors, and these are of pairs.
    inputs = Inputs(skip=skip, pairs=checkpoint.scoring is not None)
    token = _only_token(checkpoint, output, inputs)
    node, dim = architecture.hidden_states(checkpoint, inputs, product, token)
    if isinstance(output, Pooling):
        node, dim = _sentence_vectors(
            checkpoint, output, inputs, node, dim, pooled_already=token is not None
        )
    elif output == "scores" and checkpoint.scoring is not None:
        labels = len(checkpoint.scoring.labels)
        node, dim = architecture.logits(checkpoint, inputs, node, dim, labels), labels
    return inputs, openvino.Model([node], inputs.parameters, "sememe"), dim


def _only_token(checkpoint: Checkpoint, output: Output, inputs: Inputs) -> Node | None:
    """The index [b, 1] of the one token of each text that an output reads; None if it reads all."""
    if output == "scores" and checkpoint.config.get("classifier_pooling", "cls") == "cls":
        return _token("pooler", inputs)
    if isinstance(output, Pooling) and len(output.modes) == 1:
        return _token(output.modes[0], inputs)
    return None


def _token(mode: str, inputs: Inputs) -> Node | None:
    """The index [b, 1] of the token that a pooling takes; None for a pooling of them all."""
    if mode == "lasttoken":
        last = ops.subtract(inputs.lengths, nn.scalar(1, np.int32))
        return ops.unsqueeze(ops.maximum(last, nn.scalar(0, np.int32)), nn.ints(1))
    if mode not in ("cls", "pooler"):
        return None
    first = ops.broadcast(nn.scalar(0, np.int32), ops.shape_of(inputs.lengths, "i32"))
    if inputs.skip is not None and mode == "cls":
        # A prompt's end can melt into the text's first token, and leave nothing after the skip.
        first = ops.select(ops.less(inputs.skip, inputs.lengths), inputs.skip, first)
    return ops.unsqueeze(first, nn.ints(1))


def _sentence_vectors(
    checkpoint: Checkpoint,
    pooling: Pooling,
    inputs: Inputs,
    states: Node,
    size: int,
    *,
    pooled_already: bool,
) -> tuple[Node, int]:
    """Pool [b, t, size] into [b, dim] and apply the checkpoint's Dense and Normalize modules.

    A Normalize at the very end is left to the caller, who may need the vector as it is.
    """
    pooled = []
    for mode in pooling.modes:
        if mode == "pooler":
            pooled.append(_pooler(checkpoint.weights, states, size))
        elif pooled_already:
            pooled.append(nn.first_token(states))
        else:
            pooled.append(_pooled(mode, inputs, states))
    x = pooled[0] if len(pooled) == 1 else ops.concat(pooled, axis=1)
    size *= len(pooled)
    for module in checkpoint.head[:-1] if checkpoint.normalized else checkpoint.head:
        if isinstance(module, Normalize):
            x = ops.normalize_l2(x, nn.ints(1), 1e-24, "max")
        else:
            module.check_input(size)
            layers, size = Layers(Weights(module.folder), ""), module.out_features
            x = layers.linear(x, "linear", module.in_features, size, bias=module.bias)
            x = nn.activation(module.activation.lower(), x, str(module.folder))
    return x, size


def _pooled(mode: str, inputs: Inputs, states: Node) -> Node:
    """The token vectors [b, t, h] that count, as one: [b, h]."""
    if (token := _token(mode, inputs)) is not None:
        return nn.first_token(nn.at(states, token))
    if mode == "max":
        lowest = nn.scalar(float(np.finfo(np.float32).min))
        return ops.reduce_max(ops.select(inputs.counted, states, lowest), nn.ints(1))
    weights = ops.convert(inputs.counted, "f32")
    if mode == "weightedmean":
        places = ops.convert(ops.add(inputs.positions, nn.scalar(1, np.int32)), "f32")
        weights = ops.multiply(weights, ops.unsqueeze(places, nn.ints(0, 2)))
    total, count = nn.weighted_sum(states, weights)
    return ops.divide(total, ops.sqrt(count) if mode == "mean_sqrt_len" else count)


def _pooler(weights: Weights, states: Node, size: int) -> Node:
    # Even where a prompt is left out: the layer was trained on a text's first token.
    try:
        layers = Layers(weights, weights.prefix("pooler.dense.weight"))
    except CheckpointError as error:
        raise CheckpointError(
            f'{error} The pooling "pooler" uses that layer; this checkpoint needs another '
            'pooling, such as "mean".'
        ) from None
    return ops.tanh(layers.linear(nn.first_token(states), "pooler.dense", size, size))
