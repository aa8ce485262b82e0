"""BERT (Devlin et al., 2019) and all that is stored as `model_type: bert`: MiniLM, BGE, E5, GTE."""

from sememe.checkpoint import Checkpoint
from sememe.engines.openvino.blocks import Inputs, Node, Product
from sememe.engines.openvino.head import classifier
from sememe.engines.openvino.post_norm import Names, PostNorm

logits = classifier("pooler.dense", "tanh", "classifier")


def hidden_states(checkpoint: Checkpoint, inputs: Inputs, product: Product) -> tuple[Node, int]:
    """Build the encoder: the last hidden states [b, t, h], and h."""
    encoder = PostNorm(checkpoint, product, Names())
    x = encoder.embeddings(inputs, encoder.hidden)
    return encoder.layers(x, inputs.attention_bias()), encoder.hidden
