"""Which pairs a cross-encoder reads: neighbours by the student, those by words, some at random.

Without queries every text is paired with every other. With queries a pair is a query and a document
of the corpus, and the student reads both with its prompts.
"""

import re
import warnings
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from sememe.cascade import Cascade, teach
from sememe.cascade.edges import Edges, Values, joined
from sememe.cascade.scores import Reader
from sememe.costs import Budget
from sememe.data import Examples
from sememe.encoders import BiEncoder
from sememe.encoders.bi import DOCUMENT_PROMPTS, QUERY_PROMPTS
from sememe.encoders.opening import encoded
from sememe.errors import CostWarning, InputError, warn
from sememe.neighbors import nearest, normalized, self_join
from sememe.neighbors.communities import neighborhood_size
from sememe.training.lessons import NEAREST, Floats, Rows, Task, exam

_FAR = 4  # how many times as many neighbours are looked at as a graph has
_FEWEST_DOCUMENTS = 20
_K1, _B = 1.2, 0.75  # of BM25
_COMMON = 1000  # texts; a word of more tells little, and would make the work quadratic
_BLOCK = 1024  # queries at once
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Pool:
    """Texts that are paired, those that teach or those held out.

    Attributes:
        texts: n, as the teacher reads them; queries come first.
        prompted: the same as the student reads them.
        vectors: float32 (n, dim), the student's before it learns, of unit length.
        queries: how many are queries; 0 where all are paired with all.
        others: pairs of a query and a document that are near by words, or were drawn at random.
    """

    texts: list[str]
    prompted: list[str]
    vectors: Floats
    queries: int
    others: Edges

    @property
    def anchors(self) -> int:
        """How many texts, from the first, look for others: the queries, or all."""
        return self.queries or len(self.texts)

    @property
    def size(self) -> int:
        """How many neighbours a text has."""
        most = min(self.queries, len(self.texts) - self.queries) or len(self.texts)
        return min(neighborhood_size(len(self.texts)), most)

    def count(self, budget: Budget) -> int:
        """How many pairs a budget allows, which is not a time; of a search, "3n" is 3 a query."""
        if not self.queries:
            return budget.count(len(self.texts))
        every = self.queries * (len(self.texts) - self.queries)
        return budget.count(self.queries, most=every)

    def taught(self, task: Task, budget: Budget) -> Cascade:
        """What the teacher's scores of neighbours teach the student's vectors."""
        neighbors = joined(self.vectors, self.size, self.queries, task.progress)
        return teach(
            self.texts, self.vectors, neighbors, task.teacher, budget, task.progress,
            queries=self.queries,
        )  # fmt: skip

    def proposals(self, vectors: Floats) -> Edges:
        """What is read next, by what the student has become: shuffled edges.

        To the nearest, as many to some of the band behind them, and the `others`.
        """
        random, count = np.random.default_rng(0), len(self.texts)
        if self.queries:
            questions, answers = vectors[: self.queries], vectors[self.queries :]
            wide = nearest(answers, _FAR * self.size, queries=questions).indices
        else:
            wide = self_join(vectors, _FAR * self.size).indices
        band = random.permuted(wide[:, self.size :], axis=1)[:, : self.size]
        neighbors = np.hstack([wide[:, : self.size], band]).astype(np.int64) + self.queries
        rows = np.repeat(np.arange(len(neighbors)), neighbors.shape[1])
        edges = Edges.of(
            np.append(rows, self.others.first), np.append(neighbors, self.others.second), count
        )
        return edges[random.permutation(len(edges))]

    def exam(self, task: Task, share: slice = slice(None)) -> Examples:
        """Pairs with the teacher's judgement, of some of the texts or, with queries, of these."""
        anchors = np.arange(self.anchors)[share]
        rows = np.append(anchors, np.arange(self.anchors, len(self.texts)))
        texts, prompted = ([each[row] for row in rows] for each in (self.texts, self.prompted))
        queries = len(anchors) if self.queries else 0

        def judge(first: Rows, second: Rows) -> Values:
            reader = Reader(
                task.teacher, texts, Budget(), len(first), task.progress, queries=queries
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", CostWarning)  # said before the work began
                return reader.read(first, second)

        return exam(prompted, self.vectors[rows], judge, queries=queries)


def pools(task: Task) -> tuple[Pool, Pool]:
    """The texts that teach and those held out.

    Raises:
        InputError: too few documents, or a student whose prompts cannot be learned with.
    """

    def encode(texts: list[str]) -> Floats:
        return normalized(encoded(task.student, texts, task.progress))

    warn(
        f"Beside its budget, the cross-encoder reads {2 * NEAREST * len(task.rows[1]):,} pairs at "
        "most, by which the student is judged.",
        CostWarning,
    )
    if task.corpus is None:
        nothing = np.empty(0, np.int64)
        taught, held = (
            Pool(texts, texts, encode(texts), 0, Edges(nothing, nothing, len(texts)))
            for texts in (task.texts, task.held)
        )
        return taught, held
    question, document = _prompts(task.student)
    documents = list(dict.fromkeys(text for text in task.corpus if text.strip()))
    if len(documents) < _FEWEST_DOCUMENTS:
        raise InputError(
            f"{len(documents)} different documents are too few: queries= needs {_FEWEST_DOCUMENTS}."
        )
    vectors = encode([document + text for text in documents])

    def pool(queries: list[str]) -> Pool:
        """The queries, and the documents that are near one of them."""
        questions, random = encode([question + text for text in queries]), np.random.default_rng(0)
        size = neighborhood_size(len(queries) + len(documents))
        neighbors = nearest(vectors, size, queries=questions).indices
        drawn = random.integers(0, len(documents), len(queries))
        rows, hits = by_words(queries, documents, size)
        rows, others = np.append(np.arange(len(queries)), rows), np.append(drawn, hits)
        kept, places = np.unique(np.append(others, neighbors), return_inverse=True)
        texts = [documents[row] for row in kept]
        return Pool(
            queries + texts,
            [question + text for text in queries] + [document + text for text in texts],
            np.vstack([questions, vectors[kept]]),
            len(queries),
            Edges.of(rows, len(queries) + places[: len(others)], len(queries) + len(kept)),
        )

    return pool(task.texts), pool(task.held)


def by_words(queries: list[str], documents: list[str], size: int) -> tuple[Rows, Rows]:
    """The pairs of each query with the documents of the best Okapi BM25 (Robertson et al., 1994).

    Returns:
        rows of the queries and of the documents, int64 (pairs,); fewer than `size` a query where
        fewer documents have a word of it, or where its words are in more than 1,000 of them.
    """
    numbers: dict[str, int] = {}

    def counted(texts: list[str]) -> tuple[NDArray[np.float32], list[int], Rows]:
        words = [Counter(_WORD.findall(text.lower())) for text in texts]
        columns = [numbers.setdefault(word, len(numbers)) for each in words for word in each]
        counts = [count for each in words for count in each.values()]
        return np.array(counts, np.float32), columns, np.cumsum([0, *map(len, words)])

    tables = counted(documents), counted(queries)
    answers, questions = (
        csr_array(table, shape=(len(table[2]) - 1, len(numbers))) for table in tables
    )
    texts_with = np.bincount(answers.indices, minlength=len(numbers))
    rarity = np.log(1 + (len(documents) - texts_with + 0.5) / (texts_with + 0.5))
    rarity[texts_with > _COMMON] = 0
    lengths = answers.sum(axis=1)
    norms = _K1 * (1 - _B + _B * lengths / max(lengths.mean(), 1))
    answers.data *= (_K1 + 1) / (answers.data + np.repeat(norms, np.diff(answers.indptr)))
    questions.data = rarity[questions.indices].astype(np.float32)
    questions.eliminate_zeros()
    transposed, rows, places = answers.T.tocsr(), [], []
    for start in range(0, len(queries), _BLOCK):
        scores = (questions[start : start + _BLOCK] @ transposed).tocsr()
        for row, (low, high) in enumerate(pairwise(scores.indptr), start):
            best = low + np.argsort(-scores.data[low:high], kind="stable")[:size]
            places.append(scores.indices[best].astype(np.int64))
            rows.append(np.full(len(best), row))
    return np.concatenate(rows), np.concatenate(places)


def _prompts(student: BiEncoder) -> tuple[str, str]:
    """What the student has before a query, and before a document."""
    prompts = student.prompts
    query, document = (
        next((prompts[name] for name in names if name in prompts), "")
        for names in (QUERY_PROMPTS, DOCUMENT_PROMPTS)
    )
    if student._checkpoint.default_prompt or (
        (query or document) and not student._pooling.include_prompt
    ):
        raise InputError(
            f"{student.model} has a default prompt, or leaves prompts out of its mean: it cannot "
            "learn with queries=. Leave them out, and put them among the texts."
        )
    return query, document
