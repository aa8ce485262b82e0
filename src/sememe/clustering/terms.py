"""What a cluster is about: its most telling phrases, its name, and its most central texts."""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sememe.arguments import shown
from sememe.errors import InputError, SememeError
from sememe.neighbors import normalized
from sememe.neighbors.communities import Labels, sums
from sememe.neighbors.exact import Floats
from sememe.text import check_texts

_TERMS, _EXAMPLES, _CENTRAL = 6, 3, 10
_NAME = 3  # terms
_LONGEST = 4  # words of a phrase
_CANDIDATES = 40  # phrases of a cluster that are compared with its centre
_RELEVANCE, _OTHERS = 0.6, 0.25  # tuned on Banking77, see docs/decisions/names.md
_ALWAYS = 0.8  # of the texts with a word have it in a longer phrase, which then replaces it
_STEM = 5
_READ = 1_000  # texts of a cluster; texts from which the language is told
_LANGUAGE = 0.3  # of the stop words' hits of the language that has the most
_SIMILAR = 0.9  # two examples closer than this say the same
# Vowel signs and other combining marks belong to a word, though \w does not count them.
_MARKS = (
    "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0963\u0970-\u109f\u1780-\u17d3"
)
_LETTERS = rf"(?:[^\W_]|[{_MARKS}])+"
_CLAUSE = re.compile(r"[.,;:!?()\[\]{}\"“”„«»\n\t/|。、？！]+")
_WORD = re.compile(rf"{_LETTERS}(?:['’-]{_LETTERS})*")
# Scripts written without spaces: Thai to Khmer, kana, Han. Two characters stand for a word.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+"
)

Encode = Callable[[list[str]], Any]


@dataclass(frozen=True)
class Cluster:
    """One group of texts.

    Attributes:
        label: its number in `Clusters.labels`.
        size: how many texts it has, repeated ones counted.
        terms: the words and phrases that tell it from the others, best first.
        examples: its most central texts, different from one another.
        name: what it is called: made of its terms, or given by the user.
        renamed: whether the user gave the name.
    """

    label: int
    size: int
    terms: tuple[str, ...]
    examples: tuple[str, ...]
    name: str = ""
    renamed: bool = False

    @property
    def subtitle(self) -> str:
        """Its most central text."""
        return self.examples[0] if self.examples else ""


NameMaker = Callable[[list[str], list[str]], str]
"""Makes a cluster's name of its central texts and its terms."""


@dataclass(frozen=True)
class Naming:
    """How clusters are named: words that are in no term, and what makes names of the terms."""

    stop_words: frozenset[str] = frozenset()
    make: NameMaker | None = None

    @classmethod
    def checked(cls, make: NameMaker | None, stop_words: Iterable[str]) -> "Naming":
        """How a user wants them named; InputError for no function, or words that are no texts."""
        if make is not None and not callable(make):
            raise InputError(
                f"names={shown(make)}: give a function of a cluster's central texts and its terms."
            )
        words = check_texts(stop_words, name="stop_words")
        return cls(frozenset(word.lower() for word in words), make)


def described(
    texts: Sequence[str],
    vectors: Floats,
    labels: Labels,
    naming: Naming,
    others: Iterable[str] = (),
    encode: Encode | None = None,
    only: Collection[int] | None = None,
) -> list[Cluster]:
    """Name each cluster by its terms and examples.

    Terms are chosen by maximal marginal relevance (Carbonell and Goldstein 1998): near the
    cluster's centre, far from the other centres, and different from the terms before.

    Args:
        texts, vectors, labels: n texts, their unit vectors, and clusters; -1 counts for nothing
            here.
        naming, others: how names are made, and names that are taken.
        encode: gives the vectors of phrases; without it, a phrase has the mean of its texts'.
        only: the labels to describe; the others are there to be told from.
    """
    centers = normalized(sums(vectors[labels >= 0], labels[labels >= 0]))
    order = np.argsort(labels, kind="stable")
    members = np.split(order, np.searchsorted(labels[order], np.arange(len(centers) + 1)))[1:-1]
    # So many members that their terms are known, evenly taken, and no more.
    read = [rows[:: -(-len(rows) // _READ)] for rows in members]
    groups = [[texts[row] for row in rows.tolist()] for rows in read]
    stop = naming.stop_words | stop_words(groups)
    weighted = class_phrases(groups, stop)
    candidates = {
        label: dict(islice(weighted[label].items(), _CANDIDATES))
        for label in (range(len(members)) if only is None else only)
    }
    phrases = list(dict.fromkeys(phrase for each in candidates.values() for phrase in each))
    if encode is not None and phrases:
        places = normalized(encode(phrases))
    else:
        places = _means(phrases, groups, read, vectors, stop)
    place = {phrase: row for row, phrase in enumerate(phrases)}
    closeness = places @ centers.T
    result: list[Cluster] = []
    names = {name.casefold() for name in others}
    for label, forms in candidates.items():
        rows, keys = members[label], list(forms)
        at = [place[key] for key in keys]
        relevance = closeness[at, label]
        if closeness.shape[1] > 1:  # near the centre, and far from the others'
            relevance -= _OTHERS * np.delete(closeness[at], label, axis=1).max(axis=1)
        picks = _diverse(keys, relevance, places[at] @ places[at].T)
        terms = tuple(forms[keys[pick]] for pick in picks)
        central = central_texts(texts, vectors, rows)
        if naming.make is None:
            tries = [", ".join(terms[:count]) for count in range(_NAME, max(_NAME, len(terms)) + 1)]
        else:
            tries = [made_name(naming.make, label, central, terms)]
        name = unused_name(tries, central, names) or f"{label}"
        names.add(name.casefold())
        result.append(Cluster(label, len(rows), terms, tuple(central[:_EXAMPLES]), name))
    return result


def stop_words(groups: Sequence[Sequence[str]]) -> frozenset[str]:
    """The stop words of the languages that texts are in: those whose own are frequent.

    >>> "und" in stop_words([["Wo ist meine Karte?", "und wann kommt sie"]])
    True
    """
    some = -(-_READ // max(len(groups), 1))
    sample = (text for group in groups for text in group[:some])
    counts = Counter(word for text in sample for word in _WORD.findall(text.lower()))
    lists = json.loads(Path(__file__).with_name("stop_words.json").read_text(encoding="utf-8"))
    hits = {language: sum(counts[word] for word in stop) for language, stop in lists.items()}
    most = max(hits.values())
    languages = [each for each, n in hits.items() if n >= _LANGUAGE * most] if most else ["english"]
    return frozenset(word for language in languages for word in lists[language])


def class_phrases(groups: Sequence[Sequence[str]], stop: frozenset[str]) -> list[dict[str, str]]:
    """The phrases that tell each group from the others, best first, each with its written form.

    Class-based TF-IDF (Grootendorst 2022): in how many texts of the group a phrase is, times
    log(1 + phrases in an average group / its frequency in all); identical texts count once. A
    phrase that nearly always stands in a longer one gives way to it.

    Example:
        >>> class_phrases([["New card", "lost card"], ["the rate", "a rate"]], frozenset(["the"]))
        [{'card': 'card'}, {'rate': 'rate'}]
    """
    counts: list[Counter[str]] = []
    forms: Counter[tuple[str, str]] = Counter()
    for group in groups:
        count: Counter[str] = Counter()
        for text in dict.fromkeys(group):
            phrases = _phrases(text, stop)
            count.update(phrases.keys())
            forms.update(phrases.items())
        counts.append(count)
    form = {phrase: written for (phrase, written), _ in reversed(forms.most_common())}
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    average = sum(total.values()) / max(len(groups), 1)
    result = []
    for count in counts:
        repeated = {phrase: n for phrase, n in count.items() if n > 1} or dict(count)
        for phrase, n in list(repeated.items()):
            for part in _parts(phrase):  # "reverted" where it is always "top-up reverted"
                if n >= _ALWAYS * count[part]:
                    repeated.pop(part, None)
        weight = {phrase: n * math.log1p(average / total[phrase]) for phrase, n in repeated.items()}
        ranked = sorted(weight, key=lambda phrase: (-weight[phrase], phrase))
        result.append({phrase: form[phrase] for phrase in ranked})
    return result


def _parts(phrase: str) -> Iterator[str]:
    words = phrase.split(" ")
    for start in range(len(words)):
        for end in range(start + 1, len(words) + 1):
            if end - start < len(words):
                yield " ".join(words[start:end])


def _phrases(text: str, stop: frozenset[str]) -> dict[str, str]:
    """The phrases of a text as they are written, by their lower-case forms.

    They are up to 4 neighbouring words of a clause, of which neither the first nor the last is a
    stop word.
    """
    phrases: dict[str, str] = {}
    for clause in _CLAUSE.split(text):
        run: list[str] = []
        runs = [run]
        for word in _WORD.findall(clause):
            if word.isascii() or not _UNSPACED.fullmatch(word):
                run.append(word)
                continue
            pairs = (word[i : i + 2] for i in range(max(1, len(word) - 1)))
            phrases.update((pair, pair) for pair in pairs)
            run = []
            runs.append(run)
        for words in runs:
            plain = [word.replace("’", "'").lower() for word in words]
            content = [place for place, word in enumerate(plain) if _is_content(word, stop)]
            for number, start in enumerate(content):
                for end in content[number : number + _LONGEST]:
                    if end < start + _LONGEST:
                        phrase = " ".join(plain[start : end + 1])
                        phrases.setdefault(phrase, " ".join(words[start : end + 1]))
    return phrases


def _is_content(word: str, stop: frozenset[str]) -> bool:
    return word not in stop and not word.endswith("n't") and (len(word) > 1 or not word.isascii())


def _means(
    phrases: list[str],
    groups: Sequence[Sequence[str]],
    rows: Sequence[NDArray[np.int64]],
    vectors: Floats,
    stop: frozenset[str],
) -> Floats:
    """The mean vector of the texts that each phrase is in."""
    place = {phrase: row for row, phrase in enumerate(phrases)}
    pairs = [
        (place[phrase], row)
        for group, members in zip(groups, rows, strict=True)
        for text, row in zip(group, members.tolist(), strict=True)
        for phrase in _phrases(text, stop)
        if phrase in place
    ]
    if not pairs:
        return np.empty((0, vectors.shape[1]), dtype=np.float32)
    positions, members = np.array(pairs).T
    return normalized(sums(vectors[members], positions))


def _diverse(phrases: list[str], relevance: Floats, similarity: Floats) -> Iterator[int]:
    """Up to 6 phrases by maximal marginal relevance; no two have the same words."""
    stems = [_stems(phrase) for phrase in phrases]
    repeated = np.zeros(len(phrases), dtype=np.float32)
    for _ in range(min(_TERMS, len(phrases))):
        best = int((_RELEVANCE * relevance - (1 - _RELEVANCE) * repeated).argmax())
        if relevance[best] == -np.inf:
            return
        yield best
        repeated = np.maximum(repeated, similarity[best])
        for row, words in enumerate(stems):
            if words <= stems[best] or words >= stems[best]:
                relevance[row] = -np.inf


def _stems(phrase: str) -> set[str]:
    """The beginnings of a phrase's words: crude, but it holds forms together in many languages."""
    words = [word[:_STEM] for word in re.split(r"[ -]", phrase)]
    return {word for word in words if len(word) > 3} or set(words)


def made_name(make: NameMaker, label: int, central: list[str], terms: Sequence[str]) -> str:
    """What `make` calls a cluster; InputError if that is no text."""
    try:
        name = make(central, list(terms))
    except SememeError as error:
        problem = f"cluster {label} gets no name: {error}"
        raise type(error)(problem, unavailable=error.unavailable) from None
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"names= gave {shown(name)} for cluster {label}: it must return a text.")
    return " ".join(name.split())


def unused_name(tries: list[str], central: list[str], names: Collection[str]) -> str | None:
    """The first that is not in `names`, which are case-folded; else one with a text behind it."""
    tries = [*tries, *(f"{tries[0]}: {text}" if tries[0] else text for text in central)]
    return next((each for each in tries if each and each.casefold() not in names), None)


def central_texts(texts: Sequence[str], vectors: Floats, rows: NDArray[np.int64]) -> list[str]:
    """Up to 10 of the texts in `rows`, nearest to their centre, that do not repeat one another."""
    center = normalized(vectors[rows].sum(axis=0, keepdims=True))[0]
    order = rows[np.argsort(-(vectors[rows] @ center), kind="stable")]
    examples: list[int] = []
    for row in order:
        if not examples or (vectors[examples] @ vectors[row]).max() < _SIMILAR:
            examples.append(int(row))
        if len(examples) == _CENTRAL:
            break
    return [texts[row] for row in examples]
