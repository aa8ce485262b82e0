"""What a cluster is about: its most telling terms and its most central texts."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sememe.clustering.result import Cluster
from sememe.neighbors import normalized
from sememe.neighbors.communities import Labels, sums

_TERMS, _EXAMPLES = 6, 3
_STEM = 5
_READ = 4000  # texts of a cluster
_SIMILAR = 0.9  # two examples closer than this say the same
# Vowel signs and other combining marks belong to a word, though \w does not count them.
_MARKS = (
    "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0963\u0970-\u109f\u1780-\u17d3"
)
_WORD = re.compile(rf"(?:[^\W_]|[{_MARKS}])+(?:['’](?:[^\W_]|[{_MARKS}])+)*")
# Scripts written without spaces: Thai to Khmer, kana, Han. Two characters stand for a word.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+"
)
_STOP = frozenset(
    """
    a about after all also am an and any are as at be because been but by can could did do does
    doing for from get go had has have he her him his how i i'd i'll i'm i've if in into is it
    it's its just let like may me more my need no not of off on one or our out please she should
    so some such than that that's the their them then there these they this those to too up us use
    want was we were what what's when where which who why will with would you your
    """.split()  # noqa: SIM905
)


def described(texts: Sequence[str], vectors: NDArray[np.float32], labels: Labels) -> list[Cluster]:
    """Name each cluster by its terms and examples.

    Args:
        texts: n texts.
        vectors: their unit vectors, float32 (n, dim).
        labels: int64 (n,), -1 for outliers, which count for nothing here.
    """
    centers = normalized(sums(vectors[labels >= 0], labels[labels >= 0]))
    order = np.argsort(labels, kind="stable")
    members = np.split(order, np.searchsorted(labels[order], np.arange(len(centers) + 1)))[1:-1]
    terms = class_terms([[texts[row] for row in _spread(rows).tolist()] for rows in members])
    return [
        Cluster(label, len(rows), terms[label], _central(texts, vectors, rows, centers[label]))
        for label, rows in enumerate(members)
    ]


def _spread(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """So many members that their terms are known, evenly taken, and no more."""
    return rows[:: -(-len(rows) // _READ)]


def class_terms(groups: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """The terms of one or two words that tell each group from the others, best first.

    Class-based TF-IDF (Grootendorst 2022): a term's frequency in the group times
    log(1 + words in an average group / its frequency in all). A term counts once a text, and
    identical texts once. A term all of whose words, or forms of them, stand in a better one is left
    out.

    Example:
        >>> class_terms([["new card", "lost card"], ["exchange rate", "rate of exchange"]])
        [('card', 'lost', 'lost card', 'new', 'new card'), ('exchange', 'rate', 'exchange rate')]
    """
    counts = [
        Counter(term for text in dict.fromkeys(group) for term in _terms(text)) for group in groups
    ]
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    average = sum(total.values()) / max(len(groups), 1)
    return [_best(count, total, average) for count in counts]


def _best(count: Counter[str], total: Counter[str], average: float) -> tuple[str, ...]:
    weight = {term: n * math.log1p(average / total[term]) for term, n in count.items()}
    ranked = sorted(weight, key=lambda term: (-weight[term], term))
    best: list[str] = []
    for term in ranked[: 10 * _TERMS]:
        stems = _stems(term)
        if not any(stems <= _stems(other) for other in best):
            best.append(term)
        if len(best) == _TERMS:
            break
    return tuple(best)


def _stems(term: str) -> set[str]:
    """The beginnings of a term's words: crude, but it holds forms together in many languages."""
    return {word[:_STEM] for word in term.split()}


def _terms(text: str) -> set[str]:
    """The words of a text and its pairs of neighbouring words; a stop word ends a pair."""
    terms: set[str] = set()
    previous = ""
    for word in _words(text.lower()):
        if word in _STOP or word.endswith("n't") or (len(word) == 1 and word.isascii()):
            previous = ""
            continue
        terms.add(word)
        if previous and previous != word:
            terms.add(f"{previous} {word}")
        previous = word
    return terms


def _words(text: str) -> Iterator[str]:
    for word in _WORD.findall(text):
        if _UNSPACED.fullmatch(word) and len(word) > 2:
            yield from (word[i : i + 2] for i in range(len(word) - 1))
        else:
            yield word.replace("’", "'")


def _central(
    texts: Sequence[str],
    vectors: NDArray[np.float32],
    rows: NDArray[np.int64],
    center: NDArray[np.float32],
) -> tuple[str, ...]:
    """The texts nearest to the centre, passing over those that repeat one taken before."""
    order = rows[np.argsort(-(vectors[rows] @ center), kind="stable")]
    examples: list[int] = []
    for row in order:
        if not examples or (vectors[examples] @ vectors[row]).max() < _SIMILAR:
            examples.append(int(row))
        if len(examples) == _EXAMPLES:
            break
    return tuple(texts[row] for row in examples)
