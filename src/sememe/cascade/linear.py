"""The student: a symmetric bilinear form on vectors, fitted to a cross-encoder's scores."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg

from sememe.cascade.edges import Edges, Floats, Values
from sememe.neighbors import normalized

_PENALTY = 3.0
_STEPS, _RESIDUAL = 25, 1e-3
_LEAST_SLOPE = 1e-3


@dataclass(frozen=True)
class LinearMap:
    """Moves vectors so that their cosine agrees better with a cross-encoder.

    `mean`, float32 (dim,), is subtracted from a unit vector, and `root`, float32 (dim, dim),
    symmetric, multiplies what is left.
    """

    mean: Floats
    root: Floats

    def move(self, vectors: Floats) -> Floats:
        """Unit vectors, float32 (n, dim), of unit vectors of the same encoder."""
        return normalized(normalized(vectors - self.mean) @ self.root)


class Space:
    """Unit vectors less their `mean`, again of unit length: `points`, float32 (n, dim).

    `white` are the points times `whitener`: in all directions they vary alike.
    """

    def __init__(self, vectors: Floats) -> None:
        self.mean = vectors.mean(axis=0)
        self.points = normalized(vectors - self.mean)
        covariance = self.points.T @ self.points / len(vectors)
        scale, axes = np.linalg.eigh(covariance.astype(np.float64))
        # The mean eigenvalue more, so that directions of noise are not blown up.
        scale = np.maximum(scale, 0) + max(scale.mean(), 1e-12)
        self.whitener = ((axes / np.sqrt(scale)) @ axes.T).astype(np.float32)
        self.white = self.points @ self.whitener

    def cosines(self, edges: Edges) -> Values:
        """The cosine of the points, over each edge."""
        return edges.products(self.points, self.points)

    def form(self, matrix: Floats, edges: Edges) -> Values:
        """The value of a bilinear form on white vectors, over each edge."""
        return edges.products(self.white @ matrix, self.white)

    def moving(self, matrix: Floats, weight: float) -> LinearMap:
        """The map after which inner products of points are cosine + weight · form.

        They would be with all eigenvalues; negative ones, which no real map has, become 0.
        """
        metric = np.eye(len(matrix)) + weight * self.whitener @ matrix @ self.whitener
        scale, axes = np.linalg.eigh((metric + metric.T) / 2)
        root = (axes * np.sqrt(np.maximum(scale, 0))) @ axes.T
        return LinearMap(self.mean, root.astype(np.float32))


def fit(space: Space, edges: Edges, logits: Values, penalty: float = _PENALTY) -> Floats:
    """The bilinear form, float32 (dim, dim), that explains what the cosine leaves of the logits.

    Least squares over the scored edges with a penalty on the squared entries: as the vectors are
    white, that is the mean square of the form between two texts taken at random. So far pairs keep
    their cosine. By conjugate gradients (Hestenes and Stiefel, 1952).
    """
    order = np.argsort(edges.first, kind="stable")  # as rows of a sparse matrix
    edges, logits = edges[order], logits[order]
    starts = np.searchsorted(edges.first, np.arange(edges.texts + 1))
    white, texts = space.white, edges.texts

    def collected(values: Values) -> Floats:
        """The sum over all edges of value · outer product of the two ends, made symmetric."""
        weights = (values / len(edges)).astype(np.float32)
        graph = sparse.csr_matrix((weights, edges.second, starts), (texts, texts))
        total = white.T @ (graph @ white)
        return np.asarray((total + total.T) / 2)

    def normal_equations(matrix: Floats) -> Floats:
        return collected(space.form(matrix, edges)) + np.float32(penalty) * matrix

    target, cosine = edges.centered(logits), space.cosines(edges)
    deviation = cosine - cosine.mean()
    slope = (deviation @ target) / max(deviation @ deviation, 1e-12)
    rest = target - target.mean() - max(slope, _LEAST_SLOPE) * deviation
    return conjugate_gradients(normal_equations, collected(rest))


def conjugate_gradients(apply: Callable[[Floats], Floats], goal: Floats) -> Floats:
    """Solve apply(matrix) = goal for a symmetric, positive definite operator on matrices.

    Hestenes and Stiefel (1952); at most 25 steps, or until the residual is a thousandth of `goal`.
    """
    operator = LinearOperator(
        (goal.size, goal.size),
        lambda entries: apply(entries.reshape(goal.shape)).ravel(),
        dtype=goal.dtype,
    )
    solution, _ = cg(operator, goal.ravel(), rtol=_RESIDUAL, maxiter=_STEPS)
    return np.asarray(solution.reshape(goal.shape))
