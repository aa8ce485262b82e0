"""From a checkpoint to a graph: its architecture, then what stands behind the transformer."""

from typing import Protocol

from sememe.checkpoint import Checkpoint
from sememe.checkpoint.modules import Pooling
from sememe.engines.engine import Output
from sememe.engines.openvino import bert, distilbert, electra, modernbert, mpnet, roberta
from sememe.engines.openvino.blocks import Inputs, Node, Product, float_product
from sememe.engines.openvino.head import sentence_vectors
from sememe.engines.openvino.silence import openvino
from sememe.errors import CheckpointError

# Raised whenever a change to the graphs would change their vectors.
GRAPH_VERSION = "openvino-2"


class Architecture(Protocol):
    """A module that builds one architecture's graph."""

    def hidden_states(
        self, checkpoint: Checkpoint, inputs: Inputs, product: Product, /
    ) -> tuple[Node, int]:
        """The last hidden states [b, t, h], and h."""
        ...

    def logits(
        self, checkpoint: Checkpoint, inputs: Inputs, states: Node, size: int, labels: int, /
    ) -> Node:
        """The classification head on the last hidden states: [b, labels]."""
        ...


ARCHITECTURES: dict[str, Architecture] = {
    "bert": bert,
    "camembert": roberta,
    "distilbert": distilbert,
    "electra": electra,
    "modernbert": modernbert,
    "mpnet": mpnet,
    "roberta": roberta,
    "xlm-roberta": roberta,
}


def build(
    checkpoint: Checkpoint, output: Output, product: Product = float_product
) -> tuple[Inputs, openvino.Model, int]:
    """The graph's inputs, the graph, and the size of its vectors or the number of its scores.

    Args:
        checkpoint: the model.
        output: what comes out: vectors by a pooling, token vectors, or a cross-encoder's logits.
        product: how the transformer multiplies with its weights.

    Raises:
        CheckpointError: an architecture that is not read, or weights that contradict the config.
    """
    kind = checkpoint.config.get("model_type")
    if not isinstance(kind, str) or kind not in ARCHITECTURES:
        raise CheckpointError(
            f"{checkpoint.transformer / 'config.json'}: the architecture {kind!r} is not read; "
            f"those that are: {', '.join(sorted(ARCHITECTURES))}."
        )
    architecture = ARCHITECTURES[kind]
    skip = isinstance(output, Pooling) and not output.include_prompt
    # A cross-encoder's ranges are measured on its token vectors, and these are of pairs.
    inputs = Inputs(skip=skip, pairs=checkpoint.scoring is not None)
    node, dim = architecture.hidden_states(checkpoint, inputs, product)
    if isinstance(output, Pooling):
        node, dim = sentence_vectors(checkpoint, output, inputs, node, dim)
    elif output == "scores" and checkpoint.scoring is not None:
        labels = len(checkpoint.scoring.labels)
        node, dim = architecture.logits(checkpoint, inputs, node, dim, labels), labels
    return inputs, openvino.Model([node], inputs.parameters, "sememe"), dim
