"""What vectors are to be: the options of `encode` checked, every default filled in."""

import math
from dataclasses import dataclass
from functools import cached_property

from sememe.arguments import flag, one_of, whole_number
from sememe.checkpoint import Checkpoint
from sememe.checkpoint.modules import Pooling
from sememe.encoders.vectors import DTYPES
from sememe.engines import Ranges, find_ranges, output_name
from sememe.errors import CheckpointError, InputError
from sememe.text import check_texts

LONG = ("truncate", "chunk", "error")


@dataclass(frozen=True)
class Wanted:
    """What vectors are to be: all that they depend on beside the encoder and the texts.

    Attributes:
        limit: the component that int8 vectors write as 127; 0 for other types.
    """

    prompt: str
    normalize: bool
    truncate_dim: int | None
    dtype: str
    long: str
    limit: float


class Options:
    """The options that a checkpoint's vectors of `whole` components can have.

    Raises:
        CheckpointError: it says itself to keep more components than there are.
    """

    def __init__(self, checkpoint: Checkpoint, pooling: Pooling, whole: int) -> None:
        self._checkpoint = checkpoint
        self._pooling = pooling
        self._whole = whole
        if (checkpoint.truncate_dim or 0) > whole:
            raise CheckpointError(
                f"{checkpoint.directory}: config_sentence_transformers.json says truncate_dim "
                f"{checkpoint.truncate_dim}, but vectors have {whole}."
            )

    def wanted(
        self,
        prompt_name: str | None,
        prompt: str | None,
        normalize: bool | None,
        truncate_dim: int | None,
        dtype: str,
        long: str,
    ) -> Wanted:
        """What is to come out, every option checked."""
        one_of("dtype", dtype, DTYPES)
        one_of("long", long, LONG)
        kept = self._kept(truncate_dim, dtype)
        unit = self._checkpoint.normalized if normalize is None else flag("normalize", normalize)
        limit = self._limit(unit, kept or self._whole) if dtype == "int8" else 0
        return Wanted(self.prompt(prompt_name, prompt), unit, kept, dtype, long, limit)

    def prompt(self, name: str | None, prompt: str | None) -> str:
        """The text to put in front: the user's, one of the checkpoint's by its name, or none."""
        if prompt is not None and name is not None:
            raise InputError("Pass prompt= or prompt_name=, not both.")
        if prompt is not None:
            return check_texts([prompt], name="prompt")[0]
        prompts = self._checkpoint.prompts
        name = name or self._checkpoint.default_prompt_name
        if name is not None and name not in prompts:
            known = ", ".join(sorted(prompts)) or "none"
            raise InputError(f"prompt_name={name!r} is not known; this checkpoint has: {known}.")
        return check_texts([prompts[name]], name="prompt")[0] if name else ""

    def _kept(self, truncate_dim: int | None, dtype: str) -> int | None:
        if truncate_dim is not None:
            truncate_dim = whole_number("truncate_dim", truncate_dim, most=self._whole)
        kept = truncate_dim or self._checkpoint.truncate_dim
        if dtype == "binary" and (left := kept or self._whole) % 8:
            raise InputError(f'dtype="binary" packs 8 components a byte, and vectors have {left}.')
        return kept

    def _limit(self, unit: bool, kept: int) -> float:
        if self._ranges is None:
            raise InputError(
                'dtype="int8" needs ranges that were measured for this checkpoint, and there are '
                "none. Measure them once: sememe quantize MODEL"
            )
        if self._ranges.output != (output := output_name(self._pooling)):
            raise InputError(
                f'dtype="int8": the ranges of this checkpoint were measured for '
                f"{self._ranges.output}, and this encoder pools by {output}; take another dtype=."
            )
        if not unit:
            return self._ranges.pooled
        # Of a truncated vector made long again, each component grows with what was cut.
        return self._ranges.unit * math.sqrt(self._whole / kept)

    @cached_property
    def _ranges(self) -> Ranges | None:
        if self._checkpoint.static is not None:
            from sememe.engines.static import table_ranges

            return table_ranges(self._checkpoint.static.table)
        return find_ranges(self._checkpoint.weights.sha256)
