"""Search over small vectors: cheap ones choose candidates, float32 ones decide among them.

The small vectors stay in memory, a quarter (int8) or a thirty-second (binary) of the size; the
float32 ones can stay on disk (`np.load(..., mmap_mode="r")`), for only the candidates are read.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sememe.errors import InputError
from sememe.neighbors.exact import Neighbors, nearest
from sememe.neighbors.vectors import checked

_QUERIES = 64  # that are compared with all codes at once
_BLOCK_ROWS = 65_536


def nearest_small(
    codes: NDArray[np.int8] | NDArray[np.uint8],
    vectors: NDArray[np.float32],
    k: int,
    *,
    queries: ArrayLike,
    oversample: int = 10,
) -> Neighbors:
    """Find the `k` vectors nearest to each query, by inner product, among candidates of small ones.

    Args:
        codes: int8 (n, dim), or binary, uint8 (n, dim / 8), as `encode(dtype=...)` gives them.
        vectors: float32 (n, dim) of the same texts, in memory or mapped from a file.
        k: how many neighbours.
        queries: float (m, dim), of unit length, as `encode` gives them.
        oversample: how many candidates for each neighbour.

    Returns:
        Neighbors with exact similarities, (m, min(k, n)).

    Raises:
        InputError: arrays that do not belong together, or numbers below 1.

    Example:
        >>> rows = np.array([[1, 0], [0.6, 0.8], [0, 1]], np.float32)
        >>> codes = (rows * 127).astype(np.int8)
        >>> nearest_small(codes, rows, 1, queries=[[0.0, 1.0]]).indices.tolist()
        [[2]]
    """
    asked = checked(queries, name="queries")
    _check(codes, vectors, asked, k, oversample)
    wanted = min(len(vectors), k * oversample)
    k = min(k, len(vectors))
    indices = np.empty((len(asked), k), np.int32)
    similarity = np.empty((len(asked), k), np.float32)
    for start in range(0, len(asked), _QUERIES):
        block = slice(start, start + _QUERIES)
        candidates = _candidates(codes, asked[block], wanted)
        for row, chosen in enumerate(np.sort(candidates, axis=1), start):
            found = nearest(np.asarray(vectors[chosen]), k, queries=asked[row : row + 1])
            indices[row] = chosen[found.indices[0]]
            similarity[row] = found.similarity[0]
    return Neighbors(indices, similarity)


def _check(
    codes: NDArray[np.int8] | NDArray[np.uint8],
    vectors: NDArray[np.float32],
    asked: NDArray[np.float32],
    k: int,
    oversample: int,
) -> None:
    if k < 1 or oversample < 1:
        raise InputError(f"k={k} and oversample={oversample}: both must be at least 1.")
    size = {"int8": vectors.shape[1], "uint8": vectors.shape[1] / 8}.get(str(codes.dtype))
    if size is None:
        raise InputError(f"codes are of type {codes.dtype}; int8 or uint8 (binary) are needed.")
    if codes.shape != (len(vectors), size) or asked.shape[1] != vectors.shape[1]:
        raise InputError(
            f"codes {codes.shape}, vectors {vectors.shape} and queries {asked.shape} do not belong "
            "together: give one row of codes a vector, and queries of the vectors' size."
        )


def _candidates(
    codes: NDArray[np.int8] | NDArray[np.uint8], asked: NDArray[np.float32], wanted: int
) -> NDArray[np.int64]:
    """The rows whose codes are nearest to each query, int64 (m, wanted), in no order."""
    scores = np.empty((len(asked), len(codes)), np.float32)
    bits = np.packbits(asked > 0, axis=1) if codes.dtype == np.uint8 else None
    for start in range(0, len(codes), _BLOCK_ROWS):
        block = codes[start : start + _BLOCK_ROWS]
        out = scores[:, start : start + len(block)]
        if bits is None:
            np.matmul(asked, block.astype(np.float32).T, out=out)
        else:
            for row, query in enumerate(bits):
                out[row] = -np.bitwise_count(block ^ query).sum(axis=1, dtype=np.int32)
    return np.asarray(np.argpartition(-scores, wanted - 1, axis=1)[:, :wanted], dtype=np.int64)
