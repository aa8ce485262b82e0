"""Text to batches: check, tokenise, sort by length, pack under a token budget."""

from sememe.text.batches import Batch, Rows, batches, pack
from sememe.text.check import (
    HalfPairs,
    as_list,
    check_pairs,
    check_texts,
    refuse_tables,
    rows_with_text,
)
from sememe.text.chunks import Chunks, chunked
from sememe.text.pairs import Pair, PairTokenizer
from sememe.text.sentences import sentences
from sememe.text.tokens import Tokenizer, Tokens
from sememe.text.words import UNKNOWN, StaticTokenizer

__all__ = [
    "UNKNOWN",
    "Batch",
    "Chunks",
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
    "chunked",
    "pack",
    "refuse_tables",
    "rows_with_text",
    "sentences",
]
