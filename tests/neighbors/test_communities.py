"""Leiden's refinement: what a move has to gain."""

from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sknetwork.clustering import Leiden

from sememe.neighbors.communities import _seed_rand, _Terminating


def partners(kind: Any, more: float) -> set[int]:
    """Of a node with two neighbours, the one it joins; the second edge weighs more."""
    weights = np.array([[0, 1, 1 + more], [1, 0, 0], [1 + more, 0, 0]], np.float32)
    weights /= weights.sum()
    of_nodes, ends = weights.sum(1), set()
    for seed in range(20):
        _seed_rand(seed)
        refined = kind(resolution=1.5)._optimize_refine(
            np.zeros(3, int), np.arange(3), sparse.csr_matrix(weights), of_nodes, of_nodes
        )
        ends.add(1 if refined[0] == refined[1] else 2)
    return ends


@pytest.mark.parametrize("kind", [Leiden, _Terminating])
def test_a_better_community_is_found(kind: Any) -> None:
    assert partners(kind, 1e-2) == {2}


def test_a_gain_of_the_size_of_rounding_moves_nobody() -> None:
    # Where such gains count, as in scikit-network, moves can follow one another for ever.
    assert partners(Leiden, 1e-6) == {2}
    assert partners(_Terminating, 1e-6) == {1, 2}
