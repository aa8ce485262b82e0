"""From a checkpoint to a graph: its architecture, then what stands behind the transformer."""

from collections.abc import Callable

from sememe.checkpoint import Checkpoint
from sememe.checkpoint.modules import Pooling
from sememe.engines.openvino import bert
from sememe.engines.openvino.blocks import Inputs, Node, Product, float_product
from sememe.engines.openvino.head import sentence_vectors
from sememe.engines.openvino.silence import openvino
from sememe.errors import CheckpointError

# Raised whenever a change to the graphs would change their vectors.
GRAPH_VERSION = "openvino-2"

ARCHITECTURES: dict[str, Callable[[Checkpoint, Inputs, Product], tuple[Node, int]]] = {
    "bert": bert.hidden_states,
}


def build(
    checkpoint: Checkpoint, pooling: Pooling | None, product: Product = float_product
) -> tuple[openvino.Model, int]:
    """The graph, and the size of its vectors; without a pooling it gives token vectors.

    Args:
        checkpoint: the model.
        pooling: how token vectors become one.
        product: how the transformer multiplies with its weights.

    Raises:
        CheckpointError: an architecture that is not read, or weights that contradict the config.
    """
    kind = checkpoint.config.get("model_type")
    if kind not in ARCHITECTURES:
        raise CheckpointError(
            f"{checkpoint.transformer / 'config.json'}: the architecture {kind!r} is not read; "
            f"those that are: {', '.join(sorted(ARCHITECTURES))}."
        )
    inputs = Inputs(skip=pooling is not None and not pooling.include_prompt)
    node, dim = ARCHITECTURES[kind](checkpoint, inputs, product)
    if pooling is not None:
        node, dim = sentence_vectors(checkpoint, pooling, inputs, node, dim)
    return openvino.Model([node], inputs.parameters, "sememe"), dim
