"""Texts to token ids, by the checkpoint's own tokenizer (Rust, off the GIL).

The checkpoint's maximum length counts, not the truncation that tokenizer.json may carry: the
default model's file says 128 where the model reads 256.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sememe.checkpoint import Checkpoint
from sememe.checkpoint.files import read_json
from sememe.errors import CheckpointError

Ints = npt.NDArray[np.int32]


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
        self.path, self._tokenizer = _load(checkpoint.transformer)
        if checkpoint.lowercase:
            self._lowercase()
        self._add_special = special
        self.max_length = checkpoint.max_length
        self._known: int | None = checkpoint.config.get("vocab_size")
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
        settings = self.path.with_name("tokenizer_config.json")
        # A tokenizer.json holds its own settings, a bare vocabulary does not.
        if self.path.suffix == ".txt" and settings.is_file():
            digest.update(settings.read_bytes())
        return digest.hexdigest()

    def _lowercase(self) -> None:
        from tokenizers import normalizers

        before = self._tokenizer.normalizer
        steps = [normalizers.Lowercase(), *([before] if before else [])]
        self._tokenizer.normalizer = normalizers.Sequence(steps)

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Tokenise texts, cutting each to the maximum length and counting what was cut."""
        encodings = self._tokenizer.encode_batch_fast(
            list(texts), add_special_tokens=self._add_special
        )
        tokens = self.joined([encoding.ids for encoding in encodings])
        for row in np.flatnonzero(tokens.lengths >= self.max_length) if self._add_special else ():
            pieces = encodings[row].overflowing
            tokens.cut[row] = sum(len(piece.ids) - self._special for piece in pieces)
        return tokens

    def joined(self, listed: Sequence[Sequence[int]]) -> Tokens:
        """Ids of texts as the engine takes them, none of which is cut."""
        lengths = np.fromiter(map(len, listed), np.int32, len(listed))
        ids = np.fromiter(chain.from_iterable(listed), np.int32, int(lengths.sum()))
        self._check_known(ids)
        ends = np.cumsum(lengths, dtype=np.int64)
        return Tokens(ids, lengths, ends - lengths, np.zeros(len(listed), np.int64))

    def encodings(self, texts: Sequence[str]) -> list[Any]:
        """The library's own `Encoding` of each text, with the place of every token in it."""
        return list(self._tokenizer.encode_batch(texts))

    def _check_known(self, ids: Ints) -> None:
        # An engine that looks an unknown id up reads past its table's end, and says nothing.
        highest = int(ids.max(initial=0))
        if self._known is not None and highest >= self._known:
            token = self._tokenizer.id_to_token(highest)
            raise CheckpointError(
                f"{self.path}: the token {token!r} has the id {highest}, but the model knows "
                f"{self._known} tokens; the tokenizer and the weights are not of the same model."
            )

    def example_pair(self, first: str, second: str) -> Any:
        """How the tokenizer itself joins two texts: the library's `Encoding`."""
        return self._tokenizer.encode(first, second)

    def prompt_length(self, prompt: str) -> int:
        """How many tokens a prompt takes in front of a text, the opening special ones included."""
        encoding = self._tokenizer.encode(prompt)
        closing = int(len(encoding.ids) > 1 and encoding.special_tokens_mask[-1] == 1)
        return len(encoding.ids) - closing


def _load(directory: Path) -> tuple[Path, Any]:
    from tokenizers import Tokenizer

    for name, load in (("tokenizer.json", Tokenizer.from_file), ("vocab.txt", _word_pieces)):
        path = directory / name
        if not path.is_file():
            continue
        try:
            return path, load(str(path))
        except CheckpointError:
            raise
        except Exception as error:  # the Rust side raises plain Exception
            raise CheckpointError(f"{path}: the tokenizer cannot be read ({error}).") from None
    raise CheckpointError(
        f"{directory}: there is no tokenizer (tokenizer.json, or vocab.txt for WordPiece)."
    )


def _word_pieces(vocabulary: str) -> Any:
    """BERT's own tokenizer from its vocabulary: checkpoints before 2021 have no tokenizer.json."""
    from tokenizers import BertWordPieceTokenizer

    settings = Path(vocabulary).with_name("tokenizer_config.json")
    config = read_json(settings) if settings.is_file() else {}
    return BertWordPieceTokenizer(
        vocabulary,
        lowercase=bool(config.get("do_lower_case", True)),
        strip_accents=config.get("strip_accents"),
        handle_chinese_chars=bool(config.get("tokenize_chinese_chars", True)),
    )._tokenizer
