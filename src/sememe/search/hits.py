"""What a search finds, and the sentence in it that matched best."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sememe.search.store import Id, Match
from sememe.text import sentences

if TYPE_CHECKING:
    from sememe.encoders import BiEncoder

_MOST = 200  # sentences of one text that are encoded
_TOGETHER = 50  # sentences of several texts: more would make the first hit wait for the others
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Hit:
    """A text that was found. It can be pickled, with its sentence, which is then looked for.

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
    metadata: Mapping[str, Any] = field(hash=False)
    _sentences: "BestSentences | Mapping[str, str]" = field(repr=False, compare=False)

    @property
    def sentence(self) -> str:
        """The text's sentence that is nearest to the query, looked for when it is asked for.

        Of a text with more than 200 sentences, those 200 are compared that have most of the query's
        words; the first 200 where the query was a vector.
        """
        return self._sentences[self.text]

    def __reduce__(self) -> tuple[Any, ...]:
        found = {self.text: self.sentence}  # without the encoder
        return Hit, (self.id, self.text, self.score, self.metadata, found)


def hits(matches: Sequence[Match], query: Any, encoder: Callable[[], "BiEncoder"]) -> list[Hit]:
    """Matches as a user gets them; `query` is the text, or its vector."""
    best = BestSentences([match.row.text for match in matches], query, encoder)
    return [Hit(row.id, row.text, score, row.metadata, best) for row, score in matches]


class BestSentences:
    """By text, of each of some texts the sentence nearest to a query; short ones together."""

    def __init__(
        self, texts: Sequence[str], query: Any, encoder: Callable[[], "BiEncoder"]
    ) -> None:
        self._texts, self._query, self._open = texts, query, encoder
        self._words = set(_words(query)) if isinstance(query, str) else set()
        self._found: dict[str, str] = {}

    def __getitem__(self, text: str) -> str:
        if text not in self._found:
            self._look(self._together(text))
        return self._found[text]

    def _together(self, first: str) -> dict[str, list[str]]:
        """The sentences of a text, and of those that wait for theirs, as long as they are few."""
        chosen: dict[str, list[str]] = {}
        room = _TOGETHER
        for text in dict.fromkeys([first, *self._texts]):
            if text not in self._found:
                parts = self._likely(sentences(text) or [text])
                room -= len(parts)
                if chosen and (room < 0 or len(chosen[first]) == 1):
                    break
                chosen[text] = parts
        return chosen

    def _likely(self, parts: list[str]) -> list[str]:
        if len(parts) <= _MOST:
            return parts
        return sorted(parts, key=lambda part: -len(self._words & set(_words(part))))[:_MOST]

    def _look(self, chosen: dict[str, list[str]]) -> None:
        several = list(dict.fromkeys(
            part for parts in chosen.values() if len(parts) > 1 for part in parts
        ))  # fmt: skip
        near = {}
        if several:
            encoder = self._open()
            vectors = encoder.encode_document(several, progress=False)
            near = dict(zip(several, encoder.similarity(self._asked, vectors)[0], strict=True))
        for text, parts in chosen.items():
            self._found[text] = max(parts, key=lambda part: near.get(part, 0))

    @cached_property
    def _asked(self) -> Any:
        query = self._query
        return self._open().encode_query(query) if isinstance(query, str) else query


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
