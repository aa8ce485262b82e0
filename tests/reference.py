"""What the vectors should be: transformers' BertModel, and pooling written out text by text."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import BertTokenizer

from tiny_models import Tiny

Floats = npt.NDArray[np.floating[Any]]


def token_states(tiny: Tiny, texts: Sequence[str]) -> list[Floats]:
    """The last hidden states of each text, all computed in one padded batch."""
    listed = [text.lower() for text in texts] if tiny.lowered else list(texts)
    fed = _tokenizer(tiny)(
        listed, padding=True, truncation=True, max_length=tiny.max_length, return_tensors="pt"
    )
    with torch.no_grad():
        states = tiny.bert(**fed).last_hidden_state.numpy()
    lengths = fed["attention_mask"].sum(1).tolist()
    return [text[:length] for text, length in zip(states, lengths, strict=True)]


def sentence_vectors(tiny: Tiny, texts: Sequence[str], prompt: str = "") -> Floats:
    """Pooled, through Dense and Normalize: (n, dim)."""
    skip = 0
    if prompt and not tiny.include_prompt:
        skip = len(_tokenizer(tiny)(prompt).input_ids) - 1  # without the closing [SEP]
    states = token_states(tiny, [prompt + text for text in texts])
    pooled = [np.concatenate([pool(mode, s, skip) for mode in tiny.pooling]) for s in states]
    x = torch.from_numpy(np.stack(pooled).astype(np.float32))
    with torch.no_grad():
        for module in tiny.head:
            x = torch.nn.functional.normalize(x) if module == "normalize" else module(x)
    vectors: Floats = x.numpy()
    return vectors


def pool(mode: str, states: Floats, skip: int = 0) -> Floats:
    """Reimers and Gurevych's (2019) poolings of one text's (tokens, hidden) into (hidden,)."""
    kept = states[skip:]
    if mode == "lasttoken":
        return np.asarray(states[-1])
    if mode == "cls":
        return np.asarray(kept[0] if len(kept) else states[0])
    if mode == "max":
        return np.asarray(kept.max(axis=0))
    places = np.arange(skip + 1, len(states) + 1, dtype=np.float64)
    weights = places if mode == "weightedmean" else np.ones(len(kept))
    total = (kept * weights[:, None]).sum(axis=0)
    divisor = np.sqrt(weights.sum()) if mode == "mean_sqrt_len" else weights.sum()
    return np.asarray(total / max(divisor, 1e-9))


def cosine_distance(a: npt.ArrayLike, b: npt.ArrayLike) -> Floats:
    """1 - cosine of each row of `a` with the same row of `b`, in float64."""
    first, second = (np.atleast_2d(np.asarray(x, np.float64)) for x in (a, b))
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.asarray(1 - (first * second).sum(axis=1) / lengths)


def _tokenizer(tiny: Tiny) -> Any:
    return BertTokenizer.from_pretrained(str(tiny.transformer))
