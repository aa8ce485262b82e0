"""A system whose every answer is known beforehand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Known:
    """Scores of pairs, of groups and of labels as they are given."""

    scores: Mapping[tuple[str, str], float] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)
    name: str = "known"

    def score(self, pairs: Sequence[tuple[str, str]], *, search: bool = False) -> Any:
        del search
        return np.array([self.scores[pair] for pair in pairs])

    def rank(self, queries: Sequence[str], documents: Sequence[str], depth: int) -> Any:
        rows = [[self.scores[query, document] for document in documents] for query in queries]
        order = np.argsort(-np.array(rows), axis=1, kind="stable")[:, :depth]
        return order, np.take_along_axis(np.array(rows), order, 1)

    def group(self, texts: Sequence[str], count: int) -> Any:
        del count
        return np.array([self.labels[text] for text in texts])

    def classify(
        self, texts: Sequence[str], labels: Any, new_texts: Sequence[str], *, protocol: Any = None
    ) -> Any:
        del texts, labels, protocol
        return np.array([self.labels[text] for text in new_texts])
