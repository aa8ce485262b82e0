"""Reciprocal-rank fusion: one ranking out of several whose scores cannot be compared."""

from collections.abc import Sequence

from sememe.search.store import Id, Match, Row

_RANK = 60  # of Cormack et al.: how little the first ranks differ


def fused(rankings: Sequence[Sequence[Match]]) -> list[Match]:
    """All rows of the rankings, by the sum of 1 / (60 + rank) over those that they are in.

    Cormack, Clarke and Buettcher (2009), Reciprocal rank fusion outperforms Condorcet and
    individual rank learning methods. Of equals, the one that came first.
    """
    scores: dict[Id, float] = {}
    rows: dict[Id, Row] = {}
    for ranking in rankings:
        for rank, match in enumerate(ranking, start=1):
            rows.setdefault(match.row.id, match.row)
            scores[match.row.id] = scores.get(match.row.id, 0.0) + 1 / (_RANK + rank)
    order = sorted(scores, key=lambda row: -scores[row])
    return [Match(rows[row], scores[row]) for row in order]
