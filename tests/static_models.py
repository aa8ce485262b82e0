"""Static encoders made on the spot, each written by the library whose layout it has."""

from pathlib import Path
from typing import Any

import numpy as np
from model2vec import StaticModel
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import (
    AddedToken,
    BertWordPieceTokenizer,
    Tokenizer,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)

from tiny_models import TEXTS, VOCABULARY, WORDS

DIM = 24
LONG = "a " * 700  # no more characters than model2vec reads
GIVEN = [*TEXTS, LONG, "[UNK] a [SEP]wind  the", "日本", " ", "tab\tnew\nline", "zebra zebra a"]
_SENTENCES = [WORDS, *TEXTS, "  two  spaces ", "wind\npower", "zebra", "42 wines ▁"]


def word_pieces() -> Tokenizer:
    """BERT's tokenizer, as static encoders distilled from a BERT have it."""
    made = BertWordPieceTokenizer({word: index for index, word in enumerate(VOCABULARY)})
    made.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer: Tokenizer = made._tokenizer
    return tokenizer


def unigrams() -> Tokenizer:
    """A Unigram model behind a Metaspace, as multilingual static encoders have it."""
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=120, unk_token="<unk>", special_tokens=["<unk>", "<s>"], show_progress=False
    )
    made.train_from_iterator(_SENTENCES, trainer)
    return made


def llama_pairs() -> Tokenizer:
    """A BPE without a pre-tokeniser, as Llama's and WordLlama's is."""
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=150, special_tokens=["<unk>", "<s>"],
                                  show_progress=False)  # fmt: skip
    learner.train_from_iterator(_SENTENCES, trainer)
    made = Tokenizer.from_str(learner.to_str().replace('"unk_token":null', '"unk_token":"<unk>"'))
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    made.pre_tokenizer = None
    made.add_special_tokens([AddedToken("<unk>", normalized=False)])
    return made


def table(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, DIM)).astype(np.float32)


def make_model2vec(folder: Path, tokenizer: Tokenizer, **parts: Any) -> StaticModel:
    """Save and return a model; `vectors`, `weights`, `token_mapping`, `normalize` as its own."""
    given = {"vectors": table(tokenizer.get_vocab_size()), "normalize": True, **parts}
    made = StaticModel(tokenizer=tokenizer, **given)
    made.save_pretrained(folder)
    return made


def make_static_embedding(folder: Path, tokenizer: Tokenizer, normalize: bool = True) -> Any:
    """Save and return a SentenceTransformer of a StaticEmbedding."""
    embedding = StaticEmbedding(
        tokenizer, embedding_weights=table(tokenizer.get_vocab_size(), seed=1)
    )
    modules = [embedding, Normalize()] if normalize else [embedding]
    made = SentenceTransformer(modules=modules, device="cpu")
    made.save(str(folder))
    return made
