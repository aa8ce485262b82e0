"""A static student of an encoder: a vector for each token, fitted in closed form, without torch.

Token vectors that an encoder gives of every token alone, as model2vec takes them (Tulkens and van
Dongen, 2024), are a start. Then two least-squares fits to the teacher's vectors of whole texts: a
map of all token vectors at once, which tokens that no text has follow, and a change of each token.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array, diags_array

from sememe.cascade.linear import conjugate_gradients
from sememe.checkpoint.write import write_json, write_module_list
from sememe.encoders.vocabulary import Vocabulary
from sememe.evaluation.outcome import ON_REQUEST, Choice
from sememe.neighbors import normalized
from sememe.progress import progress_bar
from sememe.training.lessons import Floats, Student, Task, cosines_of, exam
from sememe.training.teachers import teacher_vectors

_SIF = 1e-4
_RIDGE = 1e-3  # of the mean eigenvalue
_PENALTY = 0.03
_ROUNDS = 2
_LEAST_LENGTH = 0.3
_TOKENS_READ = 512


def fit_static(task: Task, dim: int | None) -> Student:
    """A table of token vectors that gives a teacher's vectors of whole texts, cut to `dim`.

    Raises:
        InputError: a teacher that cannot teach, or a dim that it does not have.
    """
    targets, held = teacher_vectors(task, dim)
    vocabulary = Vocabulary(task.student)
    start = vocabulary.vectors(task.progress) * frequency_weights(vocabulary.size)[:, None]
    if vocabulary.unknown is not None:
        start[vocabulary.unknown] = 0
    shares = vocabulary.shares(task.texts)
    table = fit_tokens(shares, start, targets, task.progress)
    if dim is not None:
        table = table @ principal_axes(student_vectors(shares, table), dim)
    return Student(
        _Table(vocabulary, start),
        [Choice("dim", table.shape[1], "the teacher's" if dim is None else ON_REQUEST)],
        lambda folder: _write(folder, vocabulary, table, task.student.model),
        exam(task.held, held, cosines_of(held)),
    )


@dataclass(frozen=True)
class _Table:
    """Token vectors as an encoder of texts."""

    vocabulary: Vocabulary
    vectors: Floats

    def encode(self, texts: list[str]) -> Floats:
        return student_vectors(self.vocabulary.shares(texts), self.vectors)


def frequency_weights(size: int) -> Floats:
    """How much each token counts in a mean, float32 (size,); the rarer it is, the more.

    Smooth inverse frequency (Arora et al., 2017). How frequent a token is follows from its place in
    the vocabulary by Zipf's law: vocabularies are ordered by frequency.
    """
    chances = 1 / np.arange(2, size + 2)
    weights = _SIF / (_SIF + chances / chances.sum())
    return np.asarray(weights, np.float32)


def fit_tokens(
    shares: csr_array[Any], start: Floats, targets: Floats, progress: bool | None = None
) -> Floats:
    """Token vectors whose mean over a text points where the teacher's vector of it does.

    Args:
        shares: float32 (n, tokens), which share of each text every token is.
        start: float32 (tokens, dim), vectors to start from.
        targets: float32 (n, teacher's dim), the teacher's vectors, of unit length.

    Returns:
        float32 (tokens, teacher's dim).
    """
    table = start @ linear_map(shares @ start, targets)
    # Tokens differ a thousandfold in how frequent they are; scaled by it, the system is solved in
    # a few steps (Jacobi's preconditioner).
    scale = diags_array(1 / np.sqrt(shares.power(2).sum(axis=0) + _PENALTY), dtype=np.float32)
    scaled = (shares @ scale).tocsr()
    transposed = scaled.T.tocsr()
    penalty = (scale @ scale * np.float32(_PENALTY)).tocsr()
    change, lengths = np.zeros_like(table), np.ones(len(targets), np.float32)
    with progress_bar(None, "rounds of fitting", progress) as bar:
        for _ in range(_ROUNDS):
            rest = lengths[:, None] * targets - shares @ table
            change = scale @ conjugate_gradients(
                lambda tokens: transposed @ (scaled @ tokens) + penalty @ tokens, transposed @ rest
            )
            # Only a mean's direction counts: a text is free to have the length that it fits best.
            along = np.einsum("ij,ij->i", shares @ (table + change), targets)
            lengths = np.maximum(along, _LEAST_LENGTH)
            lengths /= np.sqrt(np.mean(lengths**2))
            bar.update(1)
    return np.asarray(table + change, np.float32)


def principal_axes(vectors: Floats, dim: int) -> Floats:
    """The axes, float32 (size, dim), in which most of the vectors' squared length lies."""
    axes = np.linalg.eigh(vectors.T @ vectors)[1]
    return np.asarray(axes[:, ::-1][:, :dim], np.float32)


def student_vectors(shares: csr_array[Any], table: Floats) -> Floats:
    """Unit vectors of texts, float32 (n, dim)."""
    return normalized(np.asarray(shares @ table, np.float32))


def linear_map(vectors: Floats, targets: Floats) -> Floats:
    """The matrix that brings vectors, float32 (n, dim in), closest to targets, (n, dim out)."""
    gram = vectors.T @ vectors
    ridge = _RIDGE * np.trace(gram) / len(gram)
    return np.linalg.solve(gram + ridge * np.eye(len(gram), dtype=np.float32), vectors.T @ targets)


def _write(folder: Path, vocabulary: Vocabulary, table: Floats, student: str) -> None:
    """A table in model2vec's layout, which sentence-transformers reads too."""
    from safetensors.numpy import save_file

    folder.mkdir()
    tensors = {"embeddings": np.ascontiguousarray(table)}
    if vocabulary.has_gaps:  # model2vec takes the number of tokens for the highest id
        tensors["mapping"] = np.arange(vocabulary.size)
    save_file(tensors, folder / "model.safetensors")
    vocabulary.tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "model_type": "model2vec", "architectures": ["StaticModel"], "tokenizer_name": student,
        "hidden_dim": table.shape[1], "seq_length": _TOKENS_READ, "max_length": _TOKENS_READ,
        "normalize": True,
    }  # fmt: skip
    write_json(folder / "config.json", config)
    write_module_list(folder, {".": "StaticEmbedding", "1_Normalize": "Normalize"})
    (folder / "1_Normalize").mkdir()
