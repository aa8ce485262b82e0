"""RoBERTa (Liu et al., 2019), XLM-R (Conneau et al., 2020), CamemBERT (Martin et al., 2020).

They are BERT with positions that start behind the pad token's id, and another classifier.
"""

from sememe.checkpoint import Checkpoint
from sememe.engines.openvino.bert import hidden_states
from sememe.engines.openvino.blocks import Inputs, Node
from sememe.engines.openvino.head import first_token, two_layers

__all__ = ["hidden_states", "logits"]

_HEAD = ("classifier.dense", "tanh", "classifier.out_proj")


def logits(checkpoint: Checkpoint, _: Inputs, states: Node, size: int, labels: int) -> Node:
    """`<s>` through a tanh layer and a linear one: [b, labels]."""
    return two_layers(checkpoint.weights, first_token(states), size, labels, _HEAD)
