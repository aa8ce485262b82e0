"""ELECTRA (Clark et al., 2020): BERT whose embeddings may be smaller than its layers."""

from sememe.checkpoint import Checkpoint
from sememe.engines.openvino.blocks import Inputs, Node, Product
from sememe.engines.openvino.head import classifier
from sememe.engines.openvino.post_norm import Names, PostNorm

logits = classifier("classifier.dense", "gelu", "classifier.out_proj")


def hidden_states(checkpoint: Checkpoint, inputs: Inputs, product: Product) -> tuple[Node, int]:
    """Build the encoder: the last hidden states [b, t, h], and h."""
    encoder = PostNorm(checkpoint, product, Names())
    size = encoder.settings.size("embedding_size")
    x = encoder.embeddings(inputs, size)
    if size != encoder.hidden:
        x = encoder.base.linear(x, "embeddings_project", size, encoder.hidden)
    return encoder.layers(x, inputs.attention_bias()), encoder.hidden
