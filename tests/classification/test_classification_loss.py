"""The label loss against scikit-learn, and its gradient."""

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from sememe.training.losses.batches import LabelLoss
from sememe.training.losses.loss import Outputs

RANDOM = np.random.default_rng(0)
VECTORS = RANDOM.normal(size=(7, 5)).astype(np.float32)
TARGETS = RANDOM.integers(0, 3, 7)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("dim", [5, 4])
def test_it_is_the_cross_entropy_of_the_layer(normalize: bool, dim: int) -> None:
    weight, bias = RANDOM.normal(size=(3, dim)), RANDOM.normal(size=3)
    loss = LabelLoss(torch.tensor(weight).float(), torch.tensor(bias).float(), normalize=normalize)
    keys = torch.arange(7)[:, None]
    found = loss(Outputs([torch.tensor(VECTORS)], torch.tensor(TARGETS), keys))
    cut = VECTORS[:, :dim]
    cut = cut / np.linalg.norm(cut, axis=1, keepdims=True) if normalize else cut
    powers = np.exp(cut @ weight.T + bias)
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    expected = log_loss(TARGETS, probabilities, labels=[0, 1, 2])
    np.testing.assert_allclose(float(found.detach()), expected, rtol=1e-5)


def test_its_gradient_reaches_vectors_and_layer() -> None:
    loss = LabelLoss(torch.randn(3, 5), torch.zeros(3), normalize=True).double()
    vectors = torch.tensor(VECTORS, dtype=torch.float64, requires_grad=True)
    targets, keys = torch.tensor(TARGETS), torch.arange(7)[:, None]
    assert torch.autograd.gradcheck(lambda v: loss(Outputs([v], targets, keys)), vectors)
    loss(Outputs([vectors], targets, keys)).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in loss.parameters())
