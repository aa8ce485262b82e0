"""What vectors are to be: the options of `encode` checked; truncated, normalised, compared."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from sememe.arguments import flag, one_of, whole_number
from sememe.checkpoint import Checkpoint
from sememe.checkpoint.modules import Pooling, parse_pooling
from sememe.engines import Ranges, find_ranges, output_name
from sememe.engines.processor import NO_RANGES
from sememe.errors import CheckpointError, GuessWarning, InputError, UntrainedWarning, warn
from sememe.text import check_texts

Vectors = npt.NDArray[Any]

DTYPES = ("float32", "float16", "int8", "binary")
LONG = ("truncate", "chunk", "split", "error")
# RoBERTa has no next-sentence objective (Liu et al., 2019), and these were trained as it was.
_UNTRAINED_FIRST = ("roberta", "xlm-roberta", "camembert")


@dataclass(frozen=True)
class VectorOptions:
    """What vectors are to be: all that they depend on beside the encoder and the texts.

    Attributes:
        limit: the component that int8 vectors write as 127: the checkpoint's, so that a text's
            codes do not depend on the other texts; 0 for other types.
    """

    prompt: str = ""
    normalize: bool = False
    truncate_dim: int | None = None
    dtype: str = "float32"
    long: str = "truncate"
    limit: float = 0


class OptionChecks:
    """The options that a checkpoint's vectors of `size` components can have."""

    def __init__(self, checkpoint: Checkpoint, pooling: Pooling, size: int) -> None:
        self._checkpoint = checkpoint
        self._pooling = pooling
        self._size = size
        if (checkpoint.truncate_dim or 0) > size:
            raise CheckpointError(
                f"{checkpoint.directory}: config_sentence_transformers.json says truncate_dim "
                f"{checkpoint.truncate_dim}, but vectors have {size}."
            )

    def check(
        self,
        prompt_name: str | None = None,
        prompt: str | None = None,
        normalize: bool | None = None,
        truncate_dim: int | None = None,
        dtype: str = "float32",
        long: str = "truncate",
    ) -> VectorOptions:
        """What is to come out, every option checked."""
        one_of("dtype", dtype, DTYPES)
        one_of("long", long, LONG)
        if truncate_dim is not None:
            truncate_dim = whole_number("truncate_dim", truncate_dim, most=self._size)
        size = truncate_dim or self._checkpoint.truncate_dim
        total = size or self._size
        if dtype == "binary" and total % 8:
            raise InputError(f'dtype="binary" packs 8 components a byte, and vectors have {total}.')
        unit = self._checkpoint.normalized if normalize is None else flag("normalize", normalize)
        limit = self._limit(unit, total) if dtype == "int8" else 0
        return VectorOptions(self.prompt(prompt_name, prompt), unit, size, dtype, long, limit)

    def prompt(self, name: str | None, prompt: str | None) -> str:
        """The text to put in front: the user's, one of the checkpoint's by its name, or none."""
        if prompt is not None and name is not None:
            raise InputError("Pass prompt= or prompt_name=, not both.")
        if prompt is not None:
            return check_texts([prompt], name="prompt")[0]
        prompts = self._checkpoint.prompts
        name = name or self._checkpoint.default_prompt_name
        if name is not None and name not in prompts:
            names = ", ".join(sorted(prompts)) or "none"
            raise InputError(f"prompt_name={name!r} is not known; this checkpoint has: {names}.")
        return check_texts([prompts[name]], name="prompt")[0] if name else ""

    def _limit(self, unit: bool, size: int) -> float:
        if self._ranges is None:
            raise InputError(f'dtype="int8" {NO_RANGES}')
        if self._ranges.output != (output := output_name(self._pooling)):
            raise InputError(
                f'dtype="int8": the ranges of this checkpoint were measured for '
                f"{self._ranges.output}, and this encoder pools by {output}; take another dtype=."
            )
        if not unit:
            return self._ranges.pooled
        # Of a truncated vector made long again, each component grows with what was cut.
        return self._ranges.unit * math.sqrt(self._size / size)

    @cached_property
    def _ranges(self) -> Ranges | None:
        if self._checkpoint.static is not None:
            from sememe.engines.static import table_ranges

            return table_ranges(self._checkpoint.static.table)
        return find_ranges(self._checkpoint.weights.sha256)


def choose_pooling(checkpoint: Checkpoint, pooling: str | None) -> Pooling:
    """The user's pooling, the checkpoint's, or the mean; one warning where it is a guess."""
    if pooling is not None:
        default = checkpoint.pooling or Pooling()
        try:
            modes = parse_pooling(pooling, "pooling=")
        except CheckpointError as error:  # but here it is the user who said so
            raise InputError(str(error)) from None
        first = {"cls", "pooler"} & {*modes} - {*default.modes}
        if first and checkpoint.config.get("model_type") in _UNTRAINED_FIRST:
            warn(
                f"{checkpoint.directory}: pooling={pooling!r} takes the vector of <s>, which was "
                "never trained to mean a sentence: RoBERTa has no next-sentence objective. Unless "
                'you trained it since, take pooling="mean".',
                UntrainedWarning,
                once=True,
            )
        return Pooling(modes, default.include_prompt)
    if checkpoint.pooling is not None:
        return checkpoint.pooling
    warn(
        f"{checkpoint.directory} does not say how to pool its token vectors into one; the mean is "
        'taken. pooling="mean" takes the same without saying so.',
        GuessWarning,
        once=True,
    )
    return Pooling()


def finish(vectors: npt.NDArray[np.float32], options: VectorOptions) -> Vectors:
    """Truncate, then normalise, then convert; a zero vector stays zero.

    Normalising in float32 here, not in the graph, gives unit length exactly in any precision.
    binary is a bit a component, 1 where it is above 0, eight to a byte, the first in the highest.
    """
    vectors = vectors[:, : options.truncate_dim]
    if options.normalize:
        vectors = unit(vectors)
    if options.dtype == "binary":
        return np.asarray(np.packbits(vectors > 0, axis=1))
    if options.dtype == "int8":
        scaled = np.rint(vectors * np.float32(127 / options.limit))
        return np.asarray(np.clip(scaled, -127, 127), dtype=np.int8)
    return np.ascontiguousarray(vectors, dtype=options.dtype)


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Probabilities of each row (n, labels), without overflow."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def unit(vectors: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Divide each row (n, dim) by its Euclidean length."""
    # The same floor as torch's, for equal vectors.
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
    return np.asarray(vectors / lengths)


def similarity(a: npt.ArrayLike, b: npt.ArrayLike, measure: str) -> npt.NDArray[np.float32]:
    """Compare every row of `a` with every row of `b`, by one of checkpoint.read.SIMILARITIES."""
    from sememe.neighbors import as_vectors  # which imports scipy; an encoder needs none

    first, second = (as_vectors(each, may_be_one=True) for each in (a, b))
    if first.shape[1] != second.shape[1]:
        raise InputError(
            f"a has vectors of {first.shape[1]} and b of {second.shape[1]}: take one model's."
        )
    if measure == "cosine":
        return np.asarray(unit(first) @ unit(second).T)
    if measure == "dot":
        return first @ second.T
    if measure == "manhattan":
        return -np.stack([np.abs(second - row).sum(axis=1) for row in first])
    # A small distance is a small difference of large squares, of which float32 leaves noise.
    a, b = first.astype(np.float64), second.astype(np.float64)
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return np.asarray(-np.sqrt(np.maximum(squares, 0)), np.float32)
