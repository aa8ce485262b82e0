"""What a search finds, and the sentence in it that matched best."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sememe.search.store import Id, Match
from sememe.text import sentences

if TYPE_CHECKING:
    from sememe.encoders import BiEncoder


@dataclass(frozen=True)
class Hit:
    """A text that was found.

    Attributes:
        id: the user's own.
        text: the whole text.
        score: the higher, the better: a cosine, or the model's inner product (`dense`), BM25
            (`bm25`), a sum of reciprocal ranks (`hybrid`), a cross-encoder's score (`rerank`).
        metadata: what was stored with it.
    """

    id: Id
    text: str
    score: float
    metadata: Mapping[str, Any]
    _sentences: "BestSentences" = field(repr=False, compare=False)

    @property
    def sentence(self) -> str:
        """The text's sentence that is nearest to the query, looked for when it is asked for."""
        return self._sentences.of_text[self.text]


def hits(matches: Sequence[Match], query: Any, encoder: Callable[[], "BiEncoder"]) -> list[Hit]:
    """Matches as a user gets them; `query` is the text, or its vector."""
    best = BestSentences([match.row.text for match in matches], query, encoder)
    return [Hit(row.id, row.text, score, row.metadata, best) for row, score in matches]


class BestSentences:
    """Of each of some texts the sentence nearest to a query, all encoded together."""

    def __init__(
        self, texts: Sequence[str], query: Any, encoder: Callable[[], "BiEncoder"]
    ) -> None:
        self._texts, self._query, self._encoder = texts, query, encoder

    @cached_property
    def of_text(self) -> dict[str, str]:
        """By the text."""
        parts = {text: sentences(text) or [text] for text in self._texts}
        several = [part for found in parts.values() if len(found) > 1 for part in found]
        if not several:
            return {text: found[0] for text, found in parts.items()}
        encoder = self._encoder()
        query = encoder.encode_query(self._query) if isinstance(self._query, str) else self._query
        vectors = encoder.encode_document(list(dict.fromkeys(several)), progress=False)
        near = dict(zip(dict.fromkeys(several), encoder.similarity(query, vectors)[0], strict=True))
        return {
            text: max(found, key=lambda part: near[part]) if len(found) > 1 else found[0]
            for text, found in parts.items()
        }
