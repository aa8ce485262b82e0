"""Open encoders: by name wherever one is an argument, and static encoders."""

import inspect
import os
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sememe.arguments import shown
from sememe.checkpoint import DEFAULT_MODEL
from sememe.encoders.bi import BiEncoder
from sememe.encoders.cross import CrossEncoder
from sememe.errors import InputError
from sememe.protocols import Encoder

Kind = TypeVar("Kind", bound=Encoder)


def as_encoder(encoder: Kind | str | os.PathLike[str]) -> Kind | BiEncoder:
    """The encoder itself, or the bi-encoder that a name or a folder opens; errors as `BiEncoder`'s.

    Example:
        >>> as_encoder(BiEncoder("all-MiniLM-L6-v2", precision="f32")).dim
        384
    """
    if isinstance(encoder, str | os.PathLike):
        return BiEncoder(encoder)
    if not isinstance(encoder, type) and callable(getattr(encoder, "encode", None)):
        return encoder
    if callable(getattr(encoder, "score", None)):
        problem = f"encoder is a {type(encoder).__name__}, which scores pairs and has no vectors"
    else:
        problem = f"encoder={shown(encoder)} is no encoder"
    raise InputError(
        f'{problem}: give a bi-encoder\'s name, such as "all-MiniLM-L6-v2", or what has '
        "encode(texts), such as sememe.BiEncoder(...)."
    )


def as_scorer(scorer: CrossEncoder | str | os.PathLike[str], name: str = "cross") -> CrossEncoder:
    """The cross-encoder itself, or the one that a name opens; messages call the argument `name`."""
    if isinstance(scorer, str | os.PathLike):
        return CrossEncoder(scorer)
    if isinstance(scorer, CrossEncoder):
        return scorer
    raise InputError(
        f"{name} is {shown(scorer)}; give a CrossEncoder, or the name of one, such as "
        '"cross-encoder/ms-marco-MiniLM-L6-v2".'
    )


def encoded(encoder: Encoder, texts: list[str], progress: bool | None) -> Any:
    """The texts' vectors; `progress` goes to encoders that take it."""
    try:
        options = inspect.signature(encoder.encode).parameters
    except ValueError:  # compiled, and without a signature
        options = {}  # type: ignore[assignment]
    if progress is None or "progress" not in options:
        return encoder.encode(texts)
    return encoder.encode(texts, progress=progress)  # type: ignore[call-arg]


def unit_vectors(
    texts: Sequence[str],
    rows: list[int],
    encoder: Encoder | str | os.PathLike[str] | None,
    vectors: ArrayLike | None,
    progress: bool | None,
) -> tuple[Encoder | None, NDArray[np.float32]]:
    """The encoder, opened, and the unit vectors float32 (rows, dim) of the texts at `rows`.

    `vectors` are those of all texts, if they are there. With neither, the default model's are made.
    """
    from sememe.neighbors import unit_rows  # which imports scipy; an encoder needs none

    if encoder is None and vectors is None:
        encoder = DEFAULT_MODEL
    opened = None if encoder is None else as_encoder(encoder)
    if vectors is not None:
        points = unit_rows(vectors, len(texts))
        return opened, points if len(rows) == len(texts) else points[rows]
    assert opened is not None
    some = [texts[row] for row in rows]
    made = encoded(opened, some, progress) if some else np.empty((0, 0), np.float32)
    return opened, unit_rows(made, len(some))


class StaticEncoder(BiEncoder):
    """A vector for each token, and their mean: far faster than a transformer, and coarser.

    It has the face of `BiEncoder`, which opens static encoders too. The vectors are the library's
    that wrote the checkpoint: model2vec leaves unknown tokens out and reads `max_length` tokens of
    a text, sentence-transformers as many as tokenizer.json says, WordLlama all. A text without a
    token is a vector of zeros.

    Args:
        model: a directory, a model's name or a Hub id, as model2vec or sentence-transformers write
            it, or `wordllama`, the table that the package of this name ships.

    Raises:
        ModelNotFound: the model is nowhere.
        CheckpointError: it cannot be read; the message names the file and the tensor.
        InputError: it is no static encoder.

    Example:
        >>> encoder = StaticEncoder("wordllama")                 # doctest: +SKIP
        >>> encoder.encode(["a cat", "a kitten"]).shape          # doctest: +SKIP
        (2, 256)
    """

    def __init__(self, model: str | os.PathLike[str]) -> None:
        super().__init__(model, engine="static")
        self._arguments = {}
