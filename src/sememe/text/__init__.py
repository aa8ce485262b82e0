"""Text to batches: check, tokenise, sort by length, pack under a token budget."""

from sememe.text.check import (
    HalfPairs,
    as_list,
    check_pairs,
    check_texts,
    refuse_tables,
    rows_with_text,
)
from sememe.text.pair_tokenizer import Pair, PairTokenizer
from sememe.text.passages import sentence_spans, sentences, split_passages
from sememe.text.static_tokenizer import UNKNOWN, StaticTokenizer
from sememe.text.tokenizer import Batch, Rows, Tokenizer, Tokens, batches, pack

__all__ = [
    "UNKNOWN",
    "Batch",
    "HalfPairs",
    "Pair",
    "PairTokenizer",
    "Rows",
    "StaticTokenizer",
    "Tokenizer",
    "Tokens",
    "as_list",
    "batches",
    "check_pairs",
    "check_texts",
    "pack",
    "refuse_tables",
    "rows_with_text",
    "sentence_spans",
    "sentences",
    "split_passages",
]
