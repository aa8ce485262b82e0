"""A bi-encoder's vocabulary: a vector for each token, and texts as shares of tokens."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from sememe.encoders.bi import BiEncoder
from sememe.progress import progress_bar
from sememe.text import Tokenizer, batches


class Vocabulary:
    """The tokens of a bi-encoder: so many ids, some of which may be no token's (`has_gaps`)."""

    def __init__(self, encoder: BiEncoder) -> None:
        self._encoder = encoder
        self._plain = Tokenizer(encoder._checkpoint, special=False)
        self.tokenizer: Any = self._plain._tokenizer
        """The library's own, without padding, truncation or special tokens."""
        ids = self.tokenizer.get_vocab().values()
        self.size = 1 + max(ids)
        self.has_gaps = len(ids) != self.size
        name = getattr(self.tokenizer.model, "unk_token", None)
        self.unknown: int | None = None if name is None else self.tokenizer.token_to_id(name)

    def shares(self, texts: Sequence[str]) -> csr_array[Any]:
        """Which share of each text every token is, float32 (n, size): a row of a text adds to 1."""
        tokens = self._plain(texts)
        if self.unknown is not None:
            is_known = tokens.ids != self.unknown
            ends = np.append(0, np.cumsum(is_known))[np.append(tokens.starts, len(tokens.ids))]
            ids = tokens.ids[is_known]
        else:
            ends, ids = np.append(tokens.starts, len(tokens.ids)), tokens.ids
        counts = np.diff(ends)
        values = np.repeat(1 / np.maximum(counts, 1), counts).astype(np.float32)
        shares = csr_array((values, ids, ends), shape=(len(texts), self.size))
        shares.sum_duplicates()
        return shares

    def vectors(self, progress: bool | None = None) -> Any:
        """What the encoder makes of each token as a text of its own, float32 (size, dim)."""
        tokenizer, engine = self._encoder._tokenizer, self._encoder._pipeline.engine
        # "a" has at least one token between those that are special.
        around = tokenizer._tokenizer.encode("a", add_special_tokens=tokenizer._add_special)
        text_places = np.flatnonzero(np.array(around.special_tokens_mask) == 0)
        before, after = around.ids[: text_places[0]], around.ids[text_places[-1] + 1 :]
        tokens = tokenizer.joined([[*before, token, *after] for token in range(self.size)])
        vectors = np.empty((self.size, engine.dim), np.float32)
        rows = np.arange(self.size)
        with progress_bar(self.size, "tokens", progress) as bar:
            for batch, values in engine.run(batches(tokens, rows, engine.budget)):
                vectors[batch.rows] = values
                bar.update(len(batch.rows))
        return vectors
