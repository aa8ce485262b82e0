"""A cross-encoder as the teacher of the vectors among which pairs are found."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sememe.cascade import Cascade, teach
from sememe.cascade.edges import Edges
from sememe.cascade.labelled import Rescorer, teach_by_labels
from sememe.cascade.labels import Labels
from sememe.costs import Budget
from sememe.neighbors import self_join
from sememe.neighbors.communities import neighborhood_size
from sememe.protocols import Scorer

Floats = NDArray[np.float32]

_CAUTION = (
    " It was judged by groups of texts, and nothing vouches for it among duplicates: give labels= "
    "(from 50 labelled pairs), and its gain is measured."
)


def taught(
    texts: Sequence[str],
    points: Floats,
    teacher: tuple[Scorer, Budget],
    labels: Labels | None,
    of_labels: Floats,
    progress: bool | None,
) -> tuple[Cascade, Rescorer | None]:
    """What a cross-encoder makes of the vectors of texts, and, with labels, of the closest pairs.

    Args:
        texts: different texts.
        points: float32 (n, dim), their unit vectors.
        teacher: the cross-encoder, and how many pairs it may read.
        labels: labelled pairs that vouch for it, or None.
        of_labels: float32 (texts of the labels, dim), their unit vectors.
        progress: as in `find_pairs`.
    """
    size = neighborhood_size(len(texts))
    if labels is None:
        cascade = teach(texts, points, self_join(points, size), *teacher, progress)
        why = cascade.report.why + _CAUTION
        return replace(cascade, report=replace(cascade.report, why=why)), None
    present = set(texts)
    more = [row for row, text in enumerate(labels.texts) if text not in present]
    every = [*texts, *(labels.texts[row] for row in more)]
    row_of = {text: row for row, text in enumerate(every)}
    rows = np.array([row_of[text] for text in labels.texts])
    ends = np.sort([rows[labels.pairs.first], rows[labels.pairs.second]], axis=0)
    labels = replace(labels, texts=every, pairs=Edges(ends[0], ends[1], len(every)))
    vectors = np.concatenate([points, of_labels[more]])
    neighbors = self_join(vectors, size)
    cascade, rescorer = teach_by_labels(vectors, neighbors, *teacher, labels, progress)
    if cascade.map is None:
        return replace(cascade, vectors=points), None
    return replace(cascade, vectors=cascade.vectors[: len(texts)]), rescorer
