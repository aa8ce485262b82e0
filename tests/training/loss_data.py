"""Outputs of random batches, of every kind of data, and each loss beside its reference."""

from collections.abc import Callable
from functools import partial
from typing import Any

import loss_references as ref
import numpy as np
import torch

from sememe.training.losses import BI, CROSS
from sememe.training.losses.loss import Loss, Outputs

DIM, LABELS = 5, 3


def random_outputs(kind: str, n: int, seed: int, negatives: int = 2, cross: int = 0) -> Outputs:
    """Of a bi-encoder, or of a cross-encoder with so many labels; float64; some texts repeat."""
    random = np.random.default_rng(seed)
    texts = {"labelled texts": 1, "triplets": 2 + negatives, "taught triplets": 2 + negatives}
    m = texts.get(kind, 2) - bool(cross)
    shape = (n, cross or DIM)
    columns = [torch.tensor(random.normal(size=shape), requires_grad=True) for _ in range(m)]
    labels = torch.tensor(random.integers(LABELS, size=n))
    targets = {
        "scored pairs": torch.tensor(random.integers(5, size=n) / 4),
        "taught triplets": torch.tensor(random.uniform(size=(n, m - (not cross)))),
        "labelled pairs": labels,
        "labelled texts": labels,
    }
    keys = torch.tensor(random.integers(max(2, n * m // 2), size=(n, m)))
    return Outputs(columns, targets.get(kind), keys)


def arrays(outputs: Outputs) -> tuple[list[Any], Any, Any]:
    columns = [column.detach().numpy() for column in outputs.columns]
    targets = None if outputs.targets is None else outputs.targets.numpy()
    return columns, targets, outputs.keys.numpy()


def binary(outputs: Outputs) -> Outputs:
    return Outputs(outputs.columns, outputs.targets.clamp(max=1), outputs.keys)


def labelled(outputs: Outputs) -> Outputs:
    return Outputs(outputs.columns, outputs.keys[:, 0] % LABELS, outputs.keys)


def same(outputs: Outputs) -> Outputs:
    return outputs


class Case:
    """A loss as the command line makes it, the kind of its data, its reference."""

    def __init__(
        self,
        name: str,
        kind: str,
        reference: Callable[..., float],
        prepare: Callable[[Outputs], Outputs] = same,
        cross: int = 0,
        **options: Any,
    ) -> None:
        self.id = " ".join([name, kind, *(f"{k}={v}" for k, v in options.items())])
        self.name, self.kind, self.cross, self.prepare = name, kind, cross, prepare
        torch.manual_seed(0)
        entry = (CROSS if cross else BI)[name]
        assert kind in entry.kinds
        self.loss: Loss = entry.loss(**options).double()
        self.reference = partial(reference, **options)

    def outputs(self, n: int, seed: int, negatives: int = 2) -> Outputs:
        return self.prepare(random_outputs(self.kind, n, seed, negatives, self.cross))


def _softmax(c: Any, t: Any, *_: Any, **__: Any) -> float:
    classifier = SOFTMAX.loss.classifier
    weight, bias = classifier.weight.detach().numpy(), classifier.bias.detach().numpy()
    return ref.softmax(c, t, weight, bias)


def _triplet(c: Any, *_: Any, margin: float, distance: str) -> float:
    return ref.triplet(c, margin, distance)


def _batch_hard(c: Any, t: Any, k: Any, margin: float, distance: str) -> float:
    return ref.batch_hard(c[0], t, k, margin, distance)


def _batch_semi_hard(c: Any, t: Any, k: Any, margin: float, distance: str) -> float:
    return ref.batch_semi_hard(c[0], t, k, margin, distance)


def _margin_mse(c: Any, t: Any, *_: Any, similarity: str) -> float:
    return ref.margin_mse(ref.candidate_scores(c, similarity), t)


SOFTMAX = Case("softmax", "labelled pairs", _softmax, dim=DIM, labels=LABELS)
BI_CASES = [
    Case("triplet", "triplets", _triplet, margin=0.4, distance="cosine"),
    Case("triplet", "triplets", _triplet, margin=1.5, distance="euclidean"),
    Case("batch-ranking", "labelled texts", lambda c, t, k, **o: ref.batch_ranking(c[0], t, k, **o),
         scale=5.0),
    Case("batch-hard", "labelled texts", _batch_hard, margin=0.4, distance="cosine"),
    Case("batch-hard", "labelled texts", _batch_hard, margin=1.5, distance="euclidean"),
    Case("batch-semi-hard", "labelled texts", _batch_semi_hard, margin=0.4, distance="cosine"),
    Case("batch-semi-hard", "labelled texts", _batch_semi_hard, margin=1.5, distance="euclidean"),
    Case("contrastive", "labelled pairs", lambda c, t, _, **o: ref.contrastive(c, t, **o), binary,
         margin=0.7),
    Case("ranking", "pairs", ref.ranking, scale=20.0),
    Case("ranking", "pairs", ref.ranking, scale=5.0, symmetric=True),
    Case("ranking", "triplets", ref.ranking, scale=5.0),
    Case("ranking", "triplets", ref.ranking, scale=20.0, symmetric=True),
    Case("ranking", "triplets", ref.ranking, labelled, scale=3.0, symmetric=True),
    Case("cosent", "scored pairs", lambda c, t, _, **o: ref.cosent(c, t, **o), scale=20.0),
    Case("cosine-mse", "scored pairs", lambda c, t, _: ref.cosine_mse(c, t)),
    SOFTMAX,
    Case("margin-mse", "taught triplets", _margin_mse, similarity="cosine"),
    Case("margin-mse", "taught triplets", _margin_mse, similarity="dot"),
    Case("kl", "taught triplets", lambda c, t, _, **o: ref.kl(c, t, **o), temperature=0.3,
         scale=7.0),
]  # fmt: skip
CROSS_CASES = [
    Case("bce", "scored pairs", lambda c, t, _: ref.bce(c[0], t), cross=1),
    Case("mse", "scored pairs", lambda c, t, _: ref.sigmoid_mse(c[0], t), cross=1),
    Case("cross-entropy", "labelled pairs", lambda c, t, _: ref.label_cross_entropy(c[0], t),
         cross=LABELS),
    Case("ranking", "triplets", lambda c, _, k: ref.candidate_ranking(c, k), cross=1),
    Case("margin-mse", "taught triplets",
         lambda c, t, _: ref.margin_mse(np.concatenate(c, axis=1), t), cross=1),
]  # fmt: skip
CASES = BI_CASES + CROSS_CASES
