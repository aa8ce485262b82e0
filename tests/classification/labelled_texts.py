"""Labelled texts that a tiny model can learn: each label has words of its own among others."""

from typing import Any

import numpy as np

from tiny_models import WORDS

OWN = {
    "energy": ["nuclear", "power", "wind", "solar"],
    "school": ["teacher", "child", "book", "music"],
    "travel": ["train", "bus", "car", "road"],
}


def labelled_texts(each: int, *, own: int = 4, noise: int = 1, seed: int = 0) -> dict[str, Any]:
    """Columns of so many texts a label, of so many words of its own, and of others."""
    random, used = np.random.default_rng(seed), {word for words in OWN.values() for word in words}
    others = [word for word in WORDS.split() if word.isalpha() and word not in used]
    rows = [
        (random.permutation([*random.choice(words, own), *random.choice(others, noise)]), label)
        for label, words in OWN.items()
        for _ in range(each)
    ]
    texts = [f"{' '.join(words)} {i}" for i, (words, _) in enumerate(rows)]
    return {"text": texts, "label": [label for _, label in rows]}
