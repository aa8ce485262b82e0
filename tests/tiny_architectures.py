"""A tiny checkpoint of every architecture, encoder and classifier, with a tokenizer of its kind.

As in `tiny_models`, every parameter is far from where training starts it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import (
    BertWordPieceTokenizer,
    ByteLevelBPETokenizer,
    Tokenizer,
    models,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerFast

from tiny_models import VOCABULARY, WORDS

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 50,
}
# What differs from BERT: the tokenizer, and settings that exercise what the architecture adds.
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("word pieces", {}),
    "roberta": ("bytes", {"type_vocab_size": 1}),
    "xlm-roberta": ("unigram", {"type_vocab_size": 1, "pad_token_id": 1}),
    "camembert": ("unigram", {"type_vocab_size": 2, "pad_token_id": 1}),
    "mpnet": ("mpnet", {"layer_norm_eps": 1e-5}),
    "distilbert": ("word pieces", {}),
    "electra": ("word pieces", {"embedding_size": 20}),
    "modernbert": (
        "bytes",
        {
            "num_hidden_layers": 4,
            "local_attention": 8,
            "rope_parameters": {
                "full_attention": {"rope_type": "default", "rope_theta": 5000.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 300.0},
            },
        },
    ),
}
FIRST_POSITION = {"roberta": 2, "xlm-roberta": 2, "camembert": 2, "mpnet": 2}
_DISTILBERT = {
    "hidden_size": "dim",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "intermediate_size": "hidden_dim",
}
_QUERIES = ("attention.self.query.weight", "attn.q.weight", "q_lin.weight")
_PAD = {"word pieces": "[PAD]", "mpnet": "<pad>", "bytes": "<pad>", "unigram": "<pad>"}


@dataclass(frozen=True)
class Made:
    """A classifier of transformers, and the folders that it and its encoder were saved to."""

    kind: str
    folder: Path
    model: Any
    tokenizer: Any
    max_length: int

    @property
    def encoder(self) -> Path:
        return self.folder / "encoder"

    @property
    def classifier(self) -> Path:
        return self.folder / "classifier"

    def fed(self, *texts: list[str]) -> Any:
        """One padded batch, as transformers itself makes it."""
        return self.tokenizer(
            *texts, padding=True, truncation=True, max_length=self.max_length, return_tensors="pt"
        )


def make(folder: Path, kind: str, *, labels: int = 3, seed: int = 0, **settings: Any) -> Made:
    tokenizer = tokenizer_of(KINDS[kind][0])
    model = random_classifier(kind, labels=labels, seed=seed, **settings)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=_PAD[KINDS[kind][0]])
    typed = ["token_type_ids"] if kind in ("bert", "electra") else []
    fast.model_input_names = ["input_ids", "attention_mask", *typed]
    max_length = model.config.max_position_embeddings - FIRST_POSITION.get(kind, 0)
    made = Made(kind, folder, model, fast, max_length)
    for part, place in ((model.base_model, made.encoder), (model, made.classifier)):
        part.save_pretrained(place)
        tokenizer.save(str(place / "tokenizer.json"))
    return made


def random_classifier(kind: str, *, labels: int = 3, seed: int = 0, **settings: Any) -> Any:
    tokens, own = KINDS[kind]
    rows = max(tokenizer_of(tokens).get_vocab().values()) + 1
    wanted = {**SIZES, "vocab_size": rows, **own, **settings}
    if kind == "distilbert":
        wanted = {_DISTILBERT.get(key, key): value for key, value in wanted.items()}
    if kind == "modernbert":
        wanted |= dict.fromkeys(("bos_token_id", "eos_token_id"))
        wanted |= {"pad_token_id": 1, "cls_token_id": 0, "sep_token_id": 2}
    config = AutoConfig.for_model(kind, num_labels=labels, **wanted)
    model = AutoModelForSequenceClassification.from_config(config, attn_implementation="eager")
    random = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if "norm" in name.lower() and name.endswith("weight"):
            mean, deviation = 1.0, 0.4
        elif name.endswith("bias"):
            mean, deviation = 0.0, 0.4
        elif "embedding" in name or "relative_attention_bias" in name:
            mean, deviation = 0.0, 1.0
        else:
            mean, deviation = 0.0, 1.5 / parameter.shape[-1] ** 0.5
        parameter.data.normal_(mean, deviation, generator=random)
    return model.eval()


def break_attention(model: Any) -> None:
    """Make every token attend as if it had no query."""
    broken = 0
    for name, parameter in model.named_parameters():
        if name.endswith("Wqkv.weight"):
            parameter.data[: len(parameter) // 3] = 0
        elif name.endswith(_QUERIES):
            parameter.data.zero_()
        else:
            continue
        broken += 1
    assert broken == model.config.num_hidden_layers


@cache
def tokenizer_of(kind: str) -> Any:
    return {
        "word pieces": _word_pieces,
        "mpnet": _mpnet,
        "bytes": lambda: _roberta_frame(byte_level()),
        "unigram": _unigram,
    }[kind]()


def _word_pieces() -> Any:
    ids = {word: index for index, word in enumerate(VOCABULARY)}
    return BertWordPieceTokenizer(ids)._tokenizer


MPNET_VOCABULARY = ["<s>", "<pad>", "</s>", "<unk>", *VOCABULARY, "<mask>"]


def _mpnet() -> Any:
    ids = {word: index for index, word in enumerate(MPNET_VOCABULARY)}
    made = BertWordPieceTokenizer(ids, pad_token="<pad>", mask_token="<mask>")._tokenizer
    template = "<s>:0 $A:0 </s>:0", "<s>:0 $A:0 </s>:0 </s>:0 $B:1 </s>:1"
    made.post_processor = processors.TemplateProcessing(
        single=template[0], pair=template[1], special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return made


def byte_level() -> ByteLevelBPETokenizer:
    made = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    texts = [" ".join(_rotated(i)) for i in range(20)]
    made.train_from_iterator(texts, 380, 2, special_tokens=special, show_progress=False)
    return made


def _roberta_frame(made: ByteLevelBPETokenizer) -> Any:
    made._tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False
    )
    return made._tokenizer


def _unigram() -> Tokenizer:
    """As XLM-R's."""
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=150, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    made.train_from_iterator([" ".join(_rotated(i)) for i in range(40)], trainer)
    made.add_special_tokens([*special, "<mask>"])
    made.post_processor = processors.TemplateProcessing(
        single=["<s>", "$A", "</s>"],
        pair=["<s>", "$A", "</s>", "</s>", "$B", "</s>"],
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return made


def _rotated(by: int) -> Sequence[str]:
    words = WORDS.split()
    return words[by:] + words[:by]
