"""Texts to token ids word by word, each different word once.

Behind a static encoder, tokenising is nearly all the work, and texts repeat their words.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from sememe.checkpoint import Checkpoint
from sememe.checkpoint.modules import UNLIMITED
from sememe.processes import PerProcess
from sememe.text.tokenizer import Ints, Tokenizer, Tokens

UNKNOWN = -1
"""The id of a token that model2vec leaves out."""

# About 50 MB with all that Python adds; then the words begin anew.
_MOST_CHARACTERS = 2**21
# What works character by character, never across a space; and what may also make a space, or
# nothing, of a character, which matters where spaces are marked and not where they only split.
_LOCAL = {"Lowercase", "NFC", "NFD"}
_SPACING = {"BertNormalizer", "NFKC", "NFKD", "StripAccents"}
_SPLITTING = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
_SPACE = "▁"
_LLAMA = {
    "type": "Sequence",
    "normalizers": [
        {"type": "Prepend", "prepend": _SPACE},
        {"type": "Replace", "pattern": {"String": " "}, "content": _SPACE},
    ],
}


class StaticTokenizer(Tokenizer):
    """The tokenizer of a static encoder: no special tokens; safe to be used from many threads."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint, special=False)
        self._unknown = UNKNOWN
        if checkpoint.static is not None and checkpoint.static.model2vec:
            token = getattr(self._tokenizer.model, "unk_token", None)
            if token is None:  # a Unigram model says it only in its file
                number = json.loads(self._tokenizer.to_str())["model"].get("unk_id")
            else:
                number = self._tokenizer.token_to_id(token)
            self._unknown = UNKNOWN if number is None else int(number)
        else:  # sentence-transformers cuts where the tokenizer's file says so
            self.max_length = self.written_length or UNLIMITED
        added = self._tokenizer.get_added_tokens_decoder().values()
        across = any(token.normalized or " " in token.content for token in added)
        self._apart = not across and _apart(self._tokenizer)
        self._joining = [_SPACE, *(token.content for token in added)]
        self._words = PerProcess(_Words)
        self._most_characters = _MOST_CHARACTERS

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Tokenise texts, cutting each to the maximum length and counting what was cut."""
        if self._apart and texts:
            words = self._words()
            with words.lock:
                tokens = self._by_word(words, texts)
        else:
            tokens = super().__call__(texts)
        lengths = np.minimum(tokens.lengths, self.max_length)
        return replace(tokens, lengths=lengths, cut=(tokens.lengths - lengths).astype(np.int64))

    def _encoded(self, texts: Sequence[str]) -> tuple[list[Any], Ints, Ints]:
        encodings, ids, lengths = super()._encoded(texts)
        ids[ids == self._unknown] = UNKNOWN
        return encodings, ids, lengths

    def _by_word(self, words: "_Words", texts: Sequence[str]) -> Tokens:
        occurrences = " ".join(texts).split(" ")
        self._learn(words, occurrences)
        numbers = np.fromiter(
            map(words.numbers.__getitem__, occurrences), np.intp, len(occurrences)
        )
        sizes = words.lengths[numbers]
        ends = np.cumsum(sizes, dtype=np.int64)
        shift = words.starts[numbers] + sizes - ends
        ids = words.ids[np.repeat(shift, sizes) + np.arange(ends[-1])]
        last = np.cumsum([text.count(" ") + 1 for text in texts]) - 1
        lengths = np.diff(ends[last], prepend=0).astype(np.int32)
        starts = ends[last] - lengths
        rows = np.unique(np.searchsorted(last, np.flatnonzero(words.joining[numbers])))
        if len(rows):
            _, others, lengths[rows] = self._encoded([texts[row] for row in rows])
            starts[rows] = len(ids) + np.cumsum(lengths[rows]) - lengths[rows]
            ids = np.concatenate([ids, others])
        return Tokens(ids, lengths, starts, np.zeros(len(texts), np.int64))

    def _learn(self, words: "_Words", occurrences: list[str]) -> None:
        if words.characters > self._most_characters:
            words.forget()
        new = list(set(occurrences) - words.numbers.keys())
        if not new:
            return
        _, ids, lengths = self._encoded(new)
        joining = (not word or any(part in word for part in self._joining) for word in new)
        words.starts = np.append(words.starts, len(words.ids) + np.cumsum(lengths) - lengths)
        words.ids = np.append(words.ids, ids)
        words.lengths = np.append(words.lengths, lengths)
        words.joining = np.append(words.joining, np.fromiter(joining, bool, len(new)))
        words.numbers |= zip(new, range(len(words.numbers), len(words.starts)), strict=True)
        words.characters += sum(map(len, new))


class _Words:
    """The words that were tokenised in this process; all arrays are by the words' numbers."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.forget()

    def forget(self) -> None:
        self.characters = 0
        self.numbers: dict[str, int] = {}
        self.ids: Ints = np.zeros(0, np.int32)
        self.lengths: Ints = np.zeros(0, np.int32)
        self.starts: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        # A text with such a word is read whole: two spaces, or an added token, join words.
        self.joining: npt.NDArray[np.bool_] = np.zeros(0, np.bool_)


def _apart(tokenizer: Any) -> bool:
    """Whether single spaces part a text into words that are tokenised as if each stood alone."""
    normalizer, split = (
        json.loads(part.__getstate__()) if part else {}
        for part in (tokenizer.normalizer, tokenizer.pre_tokenizer)
    )
    if split:
        steps = normalizer.get("normalizers", [normalizer] if normalizer else [])
        kinds = {step["type"] for step in steps}
        if split["type"] in _SPLITTING:
            return kinds <= _LOCAL | _SPACING
        marked = split.get("split") and split.get("prepend_scheme") in ("always", "first")
        return bool(marked and kinds <= _LOCAL)
    model = tokenizer.model
    return (
        normalizer == _LLAMA
        and type(model).__name__ == "BPE"
        and not (model.dropout or model.ignore_merges)
        and not (model.continuing_subword_prefix or model.end_of_word_suffix)
        # No token has ▁ behind another character, so nothing is merged across the words' ends.
        and _SPACE in (vocabulary := tokenizer.get_vocab())
        and not any(_SPACE in token.lstrip(_SPACE) for token in vocabulary)
    )
