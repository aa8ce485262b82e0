"""MTEB: its tasks run with any encoder or cross-encoder of sememe's.

>>> import mteb                                            # doctest: +SKIP
>>> model = as_mteb("all-MiniLM-L6-v2")                    # doctest: +SKIP
>>> mteb.evaluate(model, mteb.get_tasks(tasks=["STS12"]))  # doctest: +SKIP
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sememe.evaluation.systems import EncoderSystem, ScorerSystem, as_system
from sememe.extras import importing

with importing("mteb", purpose="MTEB's tasks"):
    from mteb.models.abs_encoder import AbsEncoder
    from mteb.models.model_meta import ModelMeta, ScoringFunction

Floats = npt.NDArray[np.float32]
Batches = Iterable[Mapping[str, Any]]


class _Model:
    """What MTEB wants to know of a model: results are cached by its name and its fingerprint."""

    def __init__(self, model: Any, name: str) -> None:
        measure = getattr(model, "measure", "cosine")
        self.mteb_model_meta = ModelMeta.create_empty(
            {
                "name": f"sememe/{Path(name).name}",
                "revision": getattr(model, "fingerprint", None),
                "similarity_fn_name": ScoringFunction(measure),
            }
        )


class MtebEncoder(_Model, AbsEncoder):  # type: ignore[misc]
    """An encoder with MTEB's face; queries and documents have their prompts."""

    def __init__(self, encoder: Any, name: str) -> None:
        _Model.__init__(self, encoder, name)
        self._encoder = encoder

    def encode(self, inputs: Batches, *, prompt_type: Any = None, **_: Any) -> Floats:
        """Encode the texts of a data loader's batches: float32 (n, dim)."""
        role = getattr(prompt_type, "value", prompt_type)
        encode = getattr(self._encoder, f"encode_{role}", self._encoder.encode)
        return np.asarray(encode(_texts(inputs)), np.float32)


class MtebCrossEncoder(_Model):
    """A cross-encoder with MTEB's face."""

    def __init__(self, scorer: Any, name: str) -> None:
        _Model.__init__(self, scorer, name)
        self._scorer = scorer

    def predict(self, inputs1: Batches, inputs2: Batches, **_: Any) -> Floats:
        """Score the pairs of two data loaders' texts: float32 (n,)."""
        pairs = list(zip(_texts(inputs1), _texts(inputs2), strict=True))
        return np.asarray(self._scorer.score(pairs), np.float32)


def as_mteb(model: Any) -> MtebEncoder | MtebCrossEncoder:
    """A model as `mteb.evaluate` takes it.

    Args:
        model: a name or a folder, "all-MiniLM-L6-v2:int8" for another precision; what has
            `encode(texts)` or `score(pairs)`.

    Raises:
        InputError: it is none of these.
        ModelNotFound, CheckpointError: it cannot be opened.
    """
    system = as_system(model)
    if isinstance(system, EncoderSystem):
        return MtebEncoder(system.encoder, system.name)
    assert isinstance(system, ScorerSystem)
    return MtebCrossEncoder(system.scorer, system.name)


def _texts(batches: Batches) -> list[str]:
    return [text for batch in batches for text in batch["text"]]
