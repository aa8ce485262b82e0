"""Pairs of texts to token ids; each text is tokenised once, however many pairs it is in.

What stands before, between and behind the two texts, and of which type it is, differs from model to
model (`[CLS] a [SEP] b [SEP]`, `<s> a </s></s> b </s>`): it is read off the checkpoint's tokenizer.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from sememe.checkpoint import Checkpoint
from sememe.errors import CheckpointError, InputError
from sememe.text.check import check_texts
from sememe.text.tokenizer import Ints, Rows, Tokenizer, Tokens

Pair = tuple[str, str]
Truncate = Literal["longest", "document"]
TRUNCATE = ("longest", "document")


@dataclass(frozen=True)
class _Frame:
    """The special tokens around two texts.

    `first_type`: so many tokens between them are of the first type; None where all types are 0.
    """

    before: Ints
    between: Ints
    behind: Ints
    first_type: int | None

    @property
    def size(self) -> int:
        return len(self.before) + len(self.between) + len(self.behind)


class PairTokenizer:
    """The tokenizer of a checkpoint, for pairs; its default prompt goes before the first text.

    Raises:
        CheckpointError: there is no tokenizer, or none that takes pairs.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._tokenizer = Tokenizer(checkpoint, special=False)
        self._frame = _frame(self._tokenizer)
        self._prompt = check_texts([checkpoint.default_prompt], name="prompt")[0]
        self.max_length = checkpoint.max_length
        identity = f"{self._tokenizer.sha256} {self._frame.first_type}"
        self.sha256 = hashlib.sha256(identity.encode()).hexdigest()
        if self.max_length <= self._frame.size:
            raise CheckpointError(
                f"{checkpoint.directory}: the maximum length is {self.max_length}, which leaves no "
                f"room beside the {self._frame.size} special tokens of a pair."
            )

    def __call__(self, pairs: Sequence[Pair], truncate: Truncate = "longest") -> Tokens:
        """Tokenise pairs, cutting each to the maximum length and counting what was cut.

        Of two texts that are too long together, `longest` cuts the longer one first, `document` the
        second one alone.

        Raises:
            InputError: a first text that leaves no room for the second one (`document` only).
        """
        if self._prompt:
            pairs = [(self._prompt + first, second) for first, second in pairs]
        texts = {text: row for row, text in enumerate(dict.fromkeys(t for p in pairs for t in p))}
        tokens = self._tokenizer(list(texts))
        first, second = (
            np.fromiter((texts[pair[side]] for pair in pairs), np.intp, len(pairs))
            for side in (0, 1)
        )
        sizes = tokens.lengths[first], tokens.lengths[second]
        lengths = self._cut_lengths(*sizes, pairs, truncate)
        cut = (sizes[0] - lengths[0] + sizes[1] - lengths[1]).astype(np.int64)
        return self._joined(tokens, (first, second), lengths, cut)

    def _cut_lengths(
        self, first: Ints, second: Ints, pairs: Sequence[Pair], truncate: Truncate
    ) -> tuple[Ints, Ints]:
        """How many tokens of each text stay."""
        room = self.max_length - self._frame.size
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

    def _joined(
        self,
        tokens: Tokens,
        sides: tuple[Rows, Rows],
        sizes: tuple[Ints, Ints],
        cut: npt.NDArray[np.int64],
    ) -> Tokens:
        """Pairs of the texts at `sides`, of each so many tokens, with the special ones."""
        frame = self._frame
        lengths = (sizes[0] + sizes[1] + frame.size).astype(np.int32)
        starts = np.cumsum(lengths, dtype=np.int64) - lengths
        ids = np.empty(int(lengths.sum()), np.int32)
        place = starts
        for special, side in ((frame.before, 0), (frame.between, 1), (frame.behind, None)):
            ids[place[:, None] + np.arange(len(special))] = special
            place = place + len(special)
            if side is not None:
                size = sizes[side]
                ends = np.cumsum(size, dtype=np.int64)
                # 0, 1, … of each size, end to end
                within = np.arange(size.sum(dtype=np.int64)) - np.repeat(ends - size, size)
                source = np.repeat(tokens.starts[sides[side]], size) + within
                ids[np.repeat(place, size) + within] = tokens.ids[source]
                place = place + size
        second = lengths
        if frame.first_type is not None:
            second = (len(frame.before) + sizes[0] + frame.first_type).astype(np.int32)
        return Tokens(ids, lengths, starts, cut, second)


def _frame(tokenizer: Tokenizer) -> _Frame:
    pair, sides, types = tokenizer.example_pair()
    ids = np.array(pair, np.int32)
    if 0 not in sides or 1 not in sides:
        raise CheckpointError(f"{tokenizer.path}: this tokenizer does not take pairs of texts.")
    a, b = sides.index(0), sides.index(1)
    between = b - sides[:b][::-1].index(0)
    behind = len(sides) - sides[::-1].index(1)
    ones = types.count(1)
    start = len(types) - ones
    if types != [0] * start + [1] * ones or (ones and not between <= start <= b):
        raise CheckpointError(
            f"{tokenizer.path}: it gives a pair's tokens the types {types}; read are 0 for the "
            "first text and 1 for the second, or 0 for both."
        )
    return _Frame(ids[:a], ids[between:b], ids[behind:], start - between if ones else None)
