"""DistilBERT (Sanh et al., 2019): BERT without types, under names of its own."""

from sememe.checkpoint import Checkpoint
from sememe.engines.openvino.blocks import Inputs, Node, Product
from sememe.engines.openvino.head import classifier
from sememe.engines.openvino.post_norm import Names, PostNorm

logits = classifier("pre_classifier", "relu", "classifier")
_NAMES = Names(
    layer="transformer.layer",
    query="attention.q_lin",
    key="attention.k_lin",
    value="attention.v_lin",
    mixed="attention.out_lin",
    mixed_norm="sa_layer_norm",
    inner="ffn.lin1",
    outer="ffn.lin2",
    outer_norm="output_layer_norm",
    layers="n_layers",
    hidden_size="dim",
    heads="n_heads",
    inner_size="hidden_dim",
    act="activation",
)


def hidden_states(checkpoint: Checkpoint, inputs: Inputs, product: Product) -> tuple[Node, int]:
    """Build the encoder: the last hidden states [b, t, h], and h."""
    encoder = PostNorm(checkpoint, product, _NAMES)
    x = encoder.embeddings(inputs, encoder.hidden, types=False)
    return encoder.layers(x, inputs.attention_bias()), encoder.hidden
