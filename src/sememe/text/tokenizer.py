"""Texts to token ids, by the checkpoint's own tokenizer (Rust, off the GIL), and to batches.

The checkpoint's maximum length counts, not the truncation that tokenizer.json may carry.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sememe.checkpoint import Checkpoint
from sememe.checkpoint.files import lfs_pointer, read_json
from sememe.errors import CheckpointError
from sememe.processes import native_code

Ints = npt.NDArray[np.int32]
Rows = npt.NDArray[np.intp]

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

    `ids`, int32 (total,), `lengths`, int32 (n,), and `starts`, int64 (n,), count special tokens,
    after truncation, which took `cut`, int64 (n,). Of pairs, `second`, int32 (n,), is where tokens
    of the second type begin.
    """

    ids: Ints
    lengths: Ints
    starts: npt.NDArray[np.int64]
    cut: npt.NDArray[np.int64]
    second: Ints | None = None

    def padded(self, rows: Rows) -> Ints:
        """The ids of some texts as an int32 (len(rows), longest) array, padded with 0."""
        lengths = self.lengths[rows]
        # A tokenizer without special tokens gives "" no token at all; a batch still has a column.
        columns = np.arange(max(1, int(lengths.max())), dtype=np.int64)
        real = columns < lengths[:, None]
        padded = np.zeros(real.shape, np.int32)
        padded[real] = self.ids[(self.starts[rows, None] + columns)[real]]
        return padded


@dataclass(frozen=True)
class Batch:
    """Texts that are computed together: `ids`, int32 (b, longest), padded with 0, and `lengths`.

    `rows`, intp (b,), is where each stands among all, `skip` how many first tokens (a prompt's) the
    pooling leaves out, and `second`, int32 (b,), of pairs, where tokens of the second type begin.
    """

    rows: Rows
    ids: Ints
    lengths: Ints
    skip: int = 0
    second: Ints | None = None


def pack(lengths: Ints, budget: int) -> Iterator[Rows]:
    """Yield the rows of each batch, longest texts first; every row comes exactly once.

    A batch's cost, `rows × longest`, is at most `budget`, unless a single text is longer: so
    batches take about equal time whatever the texts are, with hardly any padding.

    >>> [rows.tolist() for rows in pack(np.array([3, 9, 3, 2], np.int32), budget=9)]
    [[1], [0, 2, 3]]
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, budget // max(1, int(lengths[order[start]])))
        yield order[start : start + size]
        start += size


def batches(tokens: Tokens, rows: Rows, budget: int) -> Iterator[Batch]:
    """Yield padded batches of some of the texts."""
    for packed in pack(tokens.lengths[rows], budget):
        members = rows[packed]
        second = None if tokens.second is None else tokens.second[members]
        yield Batch(members, tokens.padded(members), tokens.lengths[members], second=second)


class Tokenizer:
    """The tokenizer of a checkpoint; CheckpointError if there is none, or it cannot be read.

    With `special`, special tokens are put around each text, and it is cut to the model's maximum
    length; without, tokens are the text's own.
    """

    def __init__(self, checkpoint: Checkpoint, *, special: bool = True) -> None:
        self.path, self._tokenizer = load_tokenizer(checkpoint)
        if checkpoint.lowercase:
            from tokenizers import normalizers

            before = self._tokenizer.normalizer
            steps = [normalizers.Lowercase(), *([before] if before else [])]
            self._tokenizer.normalizer = normalizers.Sequence(steps)
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

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Tokenise texts, cutting each to the maximum length and counting what was cut."""
        encodings, ids, lengths = self._encoded(texts)
        if self._add_special and lengths.max(initial=0) > self.max_length:
            raise CheckpointError(f"{self.path}: its post_processor gives a text more than once.")
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

    def joined(self, texts_ids: Sequence[Sequence[int]]) -> Tokens:
        """Ids as an engine takes them, none of them cut."""
        ids, lengths = self._flat(texts_ids)
        ends = np.cumsum(lengths, dtype=np.int64)
        return Tokens(ids, lengths, ends - lengths, np.zeros(len(lengths), np.int64))

    def _flat(self, texts_ids: Sequence[Sequence[int]]) -> tuple[Ints, Ints]:
        """Ids end to end, all of which the model knows, and how many each text has."""
        lengths = np.fromiter(map(len, texts_ids), np.int32, len(texts_ids))
        ids = np.fromiter(chain.from_iterable(texts_ids), np.int32, int(lengths.sum()))
        # An engine that looks an unknown id up reads past its table's end, and says nothing.
        highest = int(ids.max(initial=0))
        if self._vocabulary_size is not None and highest >= self._vocabulary_size:
            token = self._tokenizer.id_to_token(highest)
            raise CheckpointError(
                f"{self.path}: the token {token!r} has the id {highest}, but the model knows "
                f"{self._vocabulary_size} tokens; the tokenizer and the weights are not of the "
                "same model."
            )
        return ids, lengths

    def example_pair(self) -> tuple[list[int], list[int | None], list[int]]:
        """The ids of a pair of texts "a", which text each is of, and the types for the model."""
        encoding = self._tokenizer.encode("a", "a")
        names = tokenizer_settings(self.path).get("model_input_names")
        has_types = not isinstance(names, list) or "token_type_ids" in names
        types = encoding.type_ids if has_types else [0] * len(encoding.ids)
        return encoding.ids, encoding.sequence_ids, types

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


def load_tokenizer(checkpoint: Checkpoint) -> tuple[Path, Any]:
    """The file that a checkpoint's tokenizer was read from, and the library's tokenizer."""
    from tokenizers import Tokenizer

    place = checkpoint.tokenizer
    description = place if place.is_file() else place / "tokenizer.json"
    readers: dict[Path, Callable[[Path], Any]] = {
        description: lambda path: Tokenizer.from_file(str(path)),
        place / "vocab.txt": (
            _mpnet if checkpoint.config.get("model_type") == "mpnet" else _word_pieces
        ),
        place / "merges.txt": _byte_pairs,
    }
    for path, read in readers.items():
        if not path.is_file():
            continue
        try:
            return path, read(path)
        except CheckpointError:
            raise
        except Exception as error:  # the Rust side raises plain Exception
            if pointer := lfs_pointer(path):
                raise CheckpointError(pointer) from None
            raise CheckpointError(f"{path}: the tokenizer cannot be read ({error}).") from None
    raise CheckpointError(
        f"{place}: there is no tokenizer (tokenizer.json, vocab.txt for WordPiece, or "
        "vocab.json and merges.txt for byte-level BPE)."
    )


def tokenizer_settings(tokenizer: Path) -> dict[str, Any]:
    """The tokenizer_config.json beside a tokenizer's file; empty where there is none."""
    path = tokenizer.with_name("tokenizer_config.json")
    return read_json(path) if path.is_file() else {}


# What follows reads checkpoints from before 2021, which have no tokenizer.json.


def _word_pieces(vocabulary: Path, **special: str) -> Any:
    from tokenizers import BertWordPieceTokenizer

    config = tokenizer_settings(vocabulary)
    return BertWordPieceTokenizer(
        str(vocabulary),
        lowercase=bool(config.get("do_lower_case", True)),
        strip_accents=config.get("strip_accents"),
        handle_chinese_chars=bool(config.get("tokenize_chinese_chars", True)),
        **special,
    )._tokenizer


def _mpnet(vocabulary: Path) -> Any:
    """BERT's tokenizer with RoBERTa's special tokens; its vocabulary has both."""
    special = {"cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>"}
    return _as_roberta(_word_pieces(vocabulary, mask_token="<mask>", **special))


def _byte_pairs(merges: Path) -> Any:
    """RoBERTa's byte-level BPE from its vocabulary and merges."""
    from tokenizers import AddedToken, ByteLevelBPETokenizer

    spaced = bool(tokenizer_settings(merges).get("add_prefix_space", False))
    vocabulary = str(merges.with_name("vocab.json"))
    tokenizer = ByteLevelBPETokenizer(vocabulary, str(merges), add_prefix_space=spaced)._tokenizer
    mask = AddedToken("<mask>", lstrip=True)
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", mask])
    return _as_roberta(tokenizer)


def _as_roberta(tokenizer: Any) -> Any:
    """Put `<s> a </s>` around a text, and `<s> a </s></s> b </s>` around two."""
    from tokenizers.processors import RobertaProcessing

    opening, closing = ((token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>"))
    tokenizer.post_processor = RobertaProcessing(closing, opening, False, False)
    return tokenizer
