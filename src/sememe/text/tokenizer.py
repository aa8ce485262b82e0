"""Texts, and pairs of texts, to token ids, by the checkpoint's own tokenizer (Rust, off the GIL).

The checkpoint's maximum length counts, not the truncation that tokenizer.json may carry: the
default model's file says 128 where the model reads 256.

Of pairs, each text is tokenised once, however many pairs it is in. What stands before, between and
behind the two texts, and of which type it is, differs from model to model (`[CLS] a [SEP] b [SEP]`,
`<s> a </s></s> b </s>`); it is read off the checkpoint's tokenizer.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sememe.checkpoint import Checkpoint
from sememe.errors import CheckpointError, InputError
from sememe.processes import native_code
from sememe.text.check import check_texts
from sememe.text.tokenizer_files import load_tokenizer, tokenizer_settings

Ints = npt.NDArray[np.int32]
Pair = tuple[str, str]
Truncate = Literal["longest", "document"]
TRUNCATE = ("longest", "document")

_PARALLEL = "TOKENIZERS_PARALLELISM"
_parallel: list[str | None] = []
"""What the environment said of it before the forks that are going on."""


def _before_fork() -> None:
    # Where nothing is said, older versions of tokenizers print five lines in every child.
    _parallel.append(os.environ.get(_PARALLEL))
    os.environ.setdefault(_PARALLEL, "false")


def _in_parent() -> None:
    if _parallel.pop(0) is None:
        os.environ.pop(_PARALLEL, None)


def _in_child() -> None:
    # The library's threads have stayed in the parent, and "true" would wait for them for ever.
    os.environ[_PARALLEL] = "false"
    _parallel.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)


@dataclass(frozen=True)
class Tokens:
    """The ids of n texts, end to end: text i has `ids[starts[i] : starts[i] + lengths[i]]`.

    Attributes:
        ids: int32 (total,).
        lengths: int32 (n,), with special tokens, after truncation.
        starts: int64 (n,).
        cut: int64 (n,), how many tokens truncation took from each text.
        second: of pairs, where tokens of the second type begin, int32 (n,).
    """

    ids: Ints
    lengths: Ints
    starts: npt.NDArray[np.int64]
    cut: npt.NDArray[np.int64]
    second: Ints | None = None

    def padded(self, rows: npt.NDArray[np.intp]) -> Ints:
        """The ids of some texts as an int32 (len(rows), longest) array, padded with 0."""
        lengths = self.lengths[rows]
        # A tokenizer without special tokens gives "" no token at all; a batch still has a column.
        columns = np.arange(max(1, int(lengths.max())), dtype=np.int64)
        real = columns < lengths[:, None]
        padded = np.zeros(real.shape, np.int32)
        padded[real] = self.ids[(self.starts[rows, None] + columns)[real]]
        return padded


class Tokenizer:
    """The tokenizer of a checkpoint.

    Args:
        checkpoint: the model.
        special: whether the special tokens are put around each text, and it is cut to the model's
            maximum length; without, tokens are the text's own.

    Raises:
        CheckpointError: there is none, or it cannot be read.
    """

    def __init__(self, checkpoint: Checkpoint, *, special: bool = True) -> None:
        self.path, self._tokenizer = load_tokenizer(checkpoint)
        if checkpoint.lowercase:
            self._lowercase()
        self._add_special = special
        self.max_length = checkpoint.max_length
        self._vocabulary_size: int | None = checkpoint.config.get("vocab_size")
        self.written_length: int | None = (self._tokenizer.truncation or {}).get("max_length")
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        if not special:
            self._special = 0
            return
        self._special = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        if self._special >= self.max_length:
            raise CheckpointError(
                f"{checkpoint.directory}: the maximum length is {self.max_length}, which leaves no "
                f"room beside {self._special} special tokens."
            )
        self._tokenizer.enable_truncation(self.max_length)

    @property
    def sha256(self) -> str:
        """The SHA-256 of what the tokenizer was read from, as hexadecimal digits."""
        digest = hashlib.sha256(self.path.read_bytes())
        # A tokenizer.json holds all of it, a bare vocabulary or a list of merges does not.
        for name in ("vocab.json", "tokenizer_config.json") if self.path.suffix == ".txt" else ():
            if (more := self.path.with_name(name)).is_file():
                digest.update(more.read_bytes())
        return digest.hexdigest()

    def _lowercase(self) -> None:
        from tokenizers import normalizers

        before = self._tokenizer.normalizer
        steps = [normalizers.Lowercase(), *([before] if before else [])]
        self._tokenizer.normalizer = normalizers.Sequence(steps)

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Tokenise texts, cutting each to the maximum length and counting what was cut."""
        encodings, ids, lengths = self._encoded(texts)
        if self._add_special:
            self._check_lengths(lengths)
        cut = np.zeros(len(lengths), np.int64)
        for row in np.flatnonzero(lengths >= self.max_length) if self._add_special else ():
            cut[row] = sum(len(piece.ids) - self._special for piece in encodings[row].overflowing)
        ends = np.cumsum(lengths, dtype=np.int64)
        return Tokens(ids, lengths, ends - lengths, cut)

    def _encoded(self, texts: Sequence[str]) -> tuple[list[Any], Ints, Ints]:
        """The library's encodings, their ids end to end, and how many each has."""
        with native_code():
            encodings = self._tokenizer.encode_batch_fast(
                list(texts), add_special_tokens=self._add_special
            )
        return encodings, *self._flat([encoding.ids for encoding in encodings])

    def encodings(self, texts: Sequence[str]) -> list[Any]:
        """The library's own `Encoding` of each text, which knows where its tokens stand in it."""
        with native_code():
            encodings = list(self._tokenizer.encode_batch(texts))
        self._check_lengths(np.array([len(encoding.ids) for encoding in encodings], np.int32))
        return encodings

    def joined(self, listed: Sequence[Sequence[int]]) -> Tokens:
        """Ids as an engine takes them, none of them cut."""
        ids, lengths = self._flat(listed)
        ends = np.cumsum(lengths, dtype=np.int64)
        return Tokens(ids, lengths, ends - lengths, np.zeros(len(lengths), np.int64))

    def _flat(self, listed: Sequence[Sequence[int]]) -> tuple[Ints, Ints]:
        lengths = np.fromiter(map(len, listed), np.int32, len(listed))
        ids = np.fromiter(chain.from_iterable(listed), np.int32, int(lengths.sum()))
        self._check_ids(ids)
        return ids, lengths

    def _check_lengths(self, lengths: Ints) -> None:
        if lengths.max(initial=0) > self.max_length:
            raise CheckpointError(f"{self.path}: its post_processor gives a text more than once.")

    def _check_ids(self, ids: Ints) -> None:
        # An engine that looks an unknown id up reads past its table's end, and says nothing.
        highest = int(ids.max(initial=0))
        if self._vocabulary_size is not None and highest >= self._vocabulary_size:
            token = self._tokenizer.id_to_token(highest)
            raise CheckpointError(
                f"{self.path}: the token {token!r} has the id {highest}, but the model knows "
                f"{self._vocabulary_size} tokens; the tokenizer and the weights are not of the "
                "same model."
            )

    @property
    def gives_types(self) -> bool:
        """Whether the types that it gives to a pair's tokens are meant for the model."""
        names = tokenizer_settings(self.path).get("model_input_names")
        return not isinstance(names, list) or "token_type_ids" in names

    def example_pair(self, first: str, second: str) -> Any:
        """How the tokenizer itself joins two texts: the library's `Encoding`."""
        return self._tokenizer.encode(first, second)

    @property
    def room(self) -> int:
        """How many tokens of a text's own are read."""
        return self.max_length - self._special

    def count(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has, without special ones, however long it is."""
        tokens = self(texts)
        counts: list[int] = (tokens.lengths + tokens.cut - self._special).tolist()
        return counts

    def prompt_length(self, prompt: str) -> int:
        """How many tokens a prompt takes in front of a text, the opening special ones included."""
        encoding = self._tokenizer.encode(prompt)
        closing = int(len(encoding.ids) > 1 and encoding.special_tokens_mask[-1] == 1)
        return len(encoding.ids) - closing


@dataclass(frozen=True)
class _Frame:
    """The special tokens around two texts, and how many tokens before b are of the first type."""

    before: Ints
    between: Ints
    behind: Ints
    first_type: int | None
    """Of the tokens between: so many belong to the first text; None where all types are 0."""

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

        Args:
            pairs: two texts each.
            truncate: which text loses tokens where both are too long together: `longest`, the
                longer one first, or `document`, the second one alone.

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
        kept = self._kept(*sizes, pairs, truncate)
        cut = (sizes[0] - kept[0] + sizes[1] - kept[1]).astype(np.int64)
        return self._joined(tokens, (first, second), kept, cut)

    def _kept(
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
        sides: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]],
        kept: tuple[Ints, Ints],
        cut: npt.NDArray[np.int64],
    ) -> Tokens:
        frame = self._frame
        lengths = (kept[0] + kept[1] + frame.size).astype(np.int32)
        starts = np.cumsum(lengths, dtype=np.int64) - lengths
        ids = np.empty(int(lengths.sum()), np.int32)
        place = starts
        for special, side in ((frame.before, 0), (frame.between, 1), (frame.behind, None)):
            ids[place[:, None] + np.arange(len(special))] = special
            place = place + len(special)
            if side is not None:
                within = _counted(kept[side])
                source = np.repeat(tokens.starts[sides[side]], kept[side]) + within
                ids[np.repeat(place, kept[side]) + within] = tokens.ids[source]
                place = place + kept[side]
        second = lengths
        if frame.first_type is not None:
            second = (len(frame.before) + kept[0] + frame.first_type).astype(np.int32)
        return Tokens(ids, lengths, starts, cut, second)


def _counted(sizes: Ints) -> npt.NDArray[np.int64]:
    """0, 1, … of each size, end to end."""
    ends = np.cumsum(sizes, dtype=np.int64)
    return np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - sizes, sizes)


def _frame(tokenizer: Tokenizer) -> _Frame:
    encoding = tokenizer.example_pair("a", "a")
    ids = np.array(encoding.ids, np.int32)
    sides = encoding.sequence_ids
    if 0 not in sides or 1 not in sides:
        raise CheckpointError(f"{tokenizer.path}: this tokenizer does not take pairs of texts.")
    a, b = sides.index(0), sides.index(1)
    between = b - sides[:b][::-1].index(0)
    behind = len(sides) - sides[::-1].index(1)
    types = encoding.type_ids if tokenizer.gives_types else [0] * len(ids)
    ones = types.count(1)
    start = len(types) - ones
    if types != [0] * start + [1] * ones or (ones and not between <= start <= b):
        raise CheckpointError(
            f"{tokenizer.path}: it gives a pair's tokens the types {types}; read are 0 for the "
            "first text and 1 for the second, or 0 for both."
        )
    return _Frame(ids[:a], ids[between:b], ids[behind:], start - between if ones else None)
