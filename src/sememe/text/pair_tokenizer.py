"""Pairs of texts to token ids; each text is tokenised once, however many pairs it is in.

What stands before, between and behind the two texts is read off the checkpoint's tokenizer.
"""

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np

from sememe.checkpoint import Checkpoint
from sememe.errors import CheckpointError, InputError
from sememe.text.check import check_texts
from sememe.text.tokenizer import Ints, Tokenizer, Tokens

Pair = tuple[str, str]
Truncate = Literal["longest", "document"]
TRUNCATE = ("longest", "document")


class PairTokenizer:
    """The tokenizer of a checkpoint, for pairs; its default prompt goes before the first text."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._tokenizer = Tokenizer(checkpoint, special=False)
        path = self._tokenizer.path
        pair, sides, types = self._tokenizer.example_pair()
        if 0 not in sides or 1 not in sides:
            raise CheckpointError(f"{path}: this tokenizer does not take pairs of texts.")
        a, b = sides.index(0), sides.index(1)
        between = b - sides[:b][::-1].index(0)
        behind = len(sides) - sides[::-1].index(1)
        self._special = [np.array(pair[part], np.int32) for part in (
            slice(a), slice(between, b), slice(behind, None),
        )]  # fmt: skip
        """What stands before, between and behind the two texts."""
        ones = types.count(1)
        start = len(types) - ones
        if types != [0] * start + [1] * ones or (ones and not between <= start <= b):
            raise CheckpointError(
                f"{path}: it gives a pair's tokens the types {types}; read are 0 for the first "
                "text and 1 for the second, or 0 for both."
            )
        # So many of the tokens between are of the first type; None where all types are 0.
        self._first_type = start - between if ones else None
        self._prompt = check_texts([checkpoint.default_prompt], name="prompt")[0]
        self.max_length = checkpoint.max_length
        identity = f"{self._tokenizer.sha256} {self._first_type}"
        self.sha256 = hashlib.sha256(identity.encode()).hexdigest()
        self._room = self.max_length - sum(map(len, self._special))
        if self._room < 1:
            raise CheckpointError(
                f"{checkpoint.directory}: the maximum length is {self.max_length}, which leaves no "
                f"room beside the {self.max_length - self._room} special tokens of a pair."
            )

    def __call__(self, pairs: Sequence[Pair], truncate: Truncate = "longest") -> Tokens:
        """Tokenise pairs, cutting each to the maximum length and counting what was cut.

        Of two texts that are too long together, `longest` cuts the longer one first, `document` the
        second one alone: InputError where the first one leaves it no room.
        """
        if self._prompt:
            pairs = [(self._prompt + first, second) for first, second in pairs]
        texts = {text: row for row, text in enumerate(dict.fromkeys(t for p in pairs for t in p))}
        tokens = self._tokenizer(list(texts))
        rows = np.array([[texts[text] for text in pair] for pair in pairs], np.intp).reshape(-1, 2)
        sizes = tokens.lengths[rows].T
        kept = self._cut_lengths(sizes[0], sizes[1], pairs, truncate)
        ids = np.split(tokens.ids, tokens.starts[1:])
        before, between, behind = self._special
        joined = [
            np.concatenate([before, ids[first][:m], between, ids[second][:n], behind])
            for (first, second), m, n in zip(rows, *kept, strict=True)
        ]
        lengths = np.fromiter(map(len, joined), np.int32, len(joined))
        ends = np.cumsum(lengths, dtype=np.int64)
        cut = (sizes.sum(axis=0) - kept[0] - kept[1]).astype(np.int64)
        second = lengths
        if self._first_type is not None:
            second = (len(before) + kept[0] + self._first_type).astype(np.int32)
        return Tokens(np.concatenate([before[:0], *joined]), lengths, ends - lengths, cut, second)

    def _cut_lengths(
        self, first: Ints, second: Ints, pairs: Sequence[Pair], truncate: Truncate
    ) -> tuple[Ints, Ints]:
        room = self._room
        if truncate == "document":
            full = np.flatnonzero(first >= room)
            if len(full):
                raise InputError(
                    f"The query {pairs[full[0]][0][:60]!r} has {first[full[0]]:,} tokens and the "
                    f"model reads {self.max_length} of query and document together, so nothing of "
                    'a document would be read; shorten it, or pass truncate="longest".'
                )
            return first, np.minimum(second, room - first)
        # Where both are too long they share the room; of an odd one, the longer gets one more.
        shorter, longer = np.minimum(first, second), np.maximum(first, second)
        small = np.minimum(shorter, np.maximum(room // 2, room - longer))
        large = np.minimum(longer, room - small)
        swapped = first > second
        return np.where(swapped, large, small), np.where(swapped, small, large)
