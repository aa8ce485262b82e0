"""The encoder that normalises behind each sublayer (Vaswani et al., 2017), under any names.

BERT (MiniLM, BGE, E5 and GTE too), RoBERTa, XLM-R, CamemBERT, ELECTRA, DistilBERT and MPNet are
this one encoder. They call its tensors and sizes differently, and differ in what is added to the
embeddings and to the attention.
"""

from dataclasses import dataclass

import numpy as np
import openvino.opset13 as ops

from sememe.checkpoint import Checkpoint
from sememe.checkpoint.files import Config
from sememe.engines.openvino import blocks as nn
from sememe.engines.openvino.blocks import Inputs, Layers, Node, Product

_WORDS = "embeddings.word_embeddings"
_BUCKETS, _FARTHEST = 32, 128


@dataclass(frozen=True)
class PostNorm:
    """One architecture: what it calls a layer's tensors and the sizes in config.json; first BERT's.

    `head` is the classification head's first layer, activation and last layer. `types` adds a
    vector for a token's type, `projected` embeddings may be smaller than the layers (ELECTRA), and
    with `relative` attention knows how far away a token is (MPNet).
    """

    head: tuple[str, str, str] = ("pooler.dense", "tanh", "classifier")
    types: bool = True
    projected: bool = False
    relative: bool = False
    layer: str = "encoder.layer"
    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    mixed: str = "attention.output.dense"
    mixed_norm: str = "attention.output.LayerNorm"
    inner: str = "intermediate.dense"
    outer: str = "output.dense"
    outer_norm: str = "output.LayerNorm"
    layers: str = "num_hidden_layers"
    hidden_size: str = "hidden_size"
    heads: str = "num_attention_heads"
    inner_size: str = "intermediate_size"
    act: str = "hidden_act"

    def hidden_states(
        self, checkpoint: Checkpoint, inputs: Inputs, product: Product, token: Node | None
    ) -> tuple[Node, int]:
        """Build the encoder: the last hidden states [b, t, h], or [b, 1, h] of a token, and h."""
        config = checkpoint.settings
        config.must_be("position_embedding_type", "absolute")
        config.must_be("is_decoder", False)
        config.must_divide(self.heads, self.hidden_size)
        weights = checkpoint.weights
        prefix = weights.prefix(f"{_WORDS}.weight")
        base = Layers(weights, prefix)  # what is no encoder layer's always computes in floats
        x = self._embeddings(config, base, inputs, checkpoint.first_position)
        bias = inputs.attention_bias()
        if self.relative:
            bias = ops.add(bias, self._relative_bias(config, base, inputs))
        stem = f"{prefix}{self.layer}."
        count = config.layers(self.layers, weights, stem + "{}." + f"{self.outer}.weight")
        for index in range(count):
            layers = Layers(weights, f"{stem}{index}.", product)
            query = token if index == count - 1 else None
            biased = nn.at(bias, query, axis=2) if self.relative else bias
            x = self._layer(config, layers, x, biased, query)
        return x, config.size(self.hidden_size)

    def logits(
        self, checkpoint: Checkpoint, _: Inputs, states: Node, size: int, labels: int
    ) -> Node:
        """The first token's vector through a layer, an activation and a last layer: [b, labels]."""
        hidden, act, last = self.head
        weights = checkpoint.weights
        layers = Layers(weights, weights.prefix(f"{hidden}.weight"))
        x = layers.linear(nn.first_token(states), hidden, size, size)
        x = nn.activation(act, x, str(weights.directory))
        return Layers(weights, "").linear(x, last, size, labels)

    def _embeddings(self, config: Config, base: Layers, inputs: Inputs, first: int) -> Node:
        """The sum of word, position and type vectors, normalised: [b, t, hidden]."""
        hidden = config.size(self.hidden_size)
        size = config.size("embedding_size") if self.projected else hidden
        words = base.embedding(_WORDS, inputs.ids, config.size("vocab_size"), size)
        positions = config.size("max_position_embeddings")
        table = base.tensor("embeddings.position_embeddings.weight", positions, size)[first:]
        kinds = inputs.types() if self.types else None
        if self.types:
            count = config.size("type_vocab_size")
            vectors = base.tensor("embeddings.token_type_embeddings.weight", count, size)
            # A single text has type 0 throughout: its vector can be added to every position's.
            table = table + vectors[0]
        position = ops.gather(nn.constant(table), inputs.positions, nn.scalar(0, np.int32))
        x = ops.add(words, ops.unsqueeze(position, nn.ints(0)))
        if kinds is not None and count > 1:
            more = ops.gather(nn.constant(vectors - vectors[0]), kinds, nn.scalar(0, np.int32))
            x = ops.add(x, more)
        x = base.norm(x, "embeddings.LayerNorm", size, _eps(config))
        return x if size == hidden else base.linear(x, "embeddings_project", size, hidden)

    def _layer(
        self, config: Config, layers: Layers, x: Node, bias: Node, token: Node | None
    ) -> Node:
        """[b, t, h] to the same or one token's; the bias is [b, 1 or heads, 1 or its q, t]."""
        size, heads, eps = config.size(self.hidden_size), config.size(self.heads), _eps(config)
        query = layers.linear(x, self.query, size, size, token=token)
        key, value = (layers.linear(x, name, size, size) for name in (self.key, self.value))
        x = nn.at(x, token)
        mixed = nn.attention(query, key, value, bias, heads, size // heads)
        mixed = layers.linear(mixed, self.mixed, size, size)
        x = layers.norm(ops.add(mixed, x), self.mixed_norm, size, eps)
        inside = config.size(self.inner_size)
        inner = layers.linear(x, self.inner, size, inside)
        inner = nn.activation(config.text(self.act, "gelu"), inner, config.file)
        outer = layers.linear(inner, self.outer, inside, size)
        return layers.norm(ops.add(outer, x), self.outer_norm, size, eps)

    def _relative_bias(self, config: Config, base: Layers, inputs: Inputs) -> Node:
        """The bias [1, heads, t, t] of each head for each two positions, the same in all layers."""
        config.must_be("relative_attention_num_buckets", _BUCKETS)
        heads = config.size(self.heads)
        table = base.tensor("encoder.relative_attention_bias.weight", _BUCKETS, heads)
        distances = range(-_FARTHEST, _FARTHEST + 1)
        biases = nn.constant(np.ascontiguousarray(table[[bucket(d) for d in distances]]))
        away = ops.subtract(
            ops.unsqueeze(inputs.positions, nn.ints(0)), ops.unsqueeze(inputs.positions, nn.ints(1))
        )
        rows = ops.add(ops.clamp(away, -_FARTHEST, _FARTHEST), nn.scalar(_FARTHEST, np.int32))
        bias = ops.gather(biases, rows, nn.scalar(0, np.int32))
        return ops.unsqueeze(ops.transpose(bias, nn.ints(2, 0, 1)), nn.ints(0))


def bucket(distance: int) -> int:
    """T5's bucket of a distance (Raffel et al., 2020): a side has 8 exact ones, then 8 to 128."""
    far = abs(distance)
    if far >= 8:
        # Two buckets for each doubling: 8 + floor(2 log2(far / 8)), without rounding.
        far = min(15, 7 + (far * far // 64).bit_length())
    return far + (16 if distance > 0 else 0)


def _eps(config: Config) -> float:
    return config.number("layer_norm_eps", 1e-12)


BERT = PostNorm()
# Its positions start behind the pad token's id, which is the checkpoint's `first_position`.
ROBERTA = PostNorm(head=("classifier.dense", "tanh", "classifier.out_proj"))
ELECTRA = PostNorm(head=("classifier.dense", "gelu", "classifier.out_proj"), projected=True)
MPNET = PostNorm(
    head=ROBERTA.head,
    types=False,
    relative=True,
    query="attention.attn.q",
    key="attention.attn.k",
    value="attention.attn.v",
    mixed="attention.attn.o",
    mixed_norm="attention.LayerNorm",
)
DISTILBERT = PostNorm(
    head=("pre_classifier", "relu", "classifier"),
    types=False,
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
