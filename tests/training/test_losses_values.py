"""Every loss is its formula, and its gradient is the formula's."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_data import BI_CASES, CASES, Case, arrays

from sememe.training import losses
from sememe.training.losses import BI, CROSS
from sememe.training.losses.loss import Loss, Outputs, unit

each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
each_without_axes = pytest.mark.parametrize(
    "case", [case for case in BI_CASES if case.name != "softmax"], ids=lambda case: case.id
)
each_bi = pytest.mark.parametrize("case", BI_CASES, ids=lambda case: case.id)
LENGTH_COUNTS = ("softmax", "distance=euclidean", "similarity=dot")


def test_every_loss_of_the_command_line_is_tested_with_every_kind_it_takes() -> None:
    named = {(bool(case.cross), case.name, case.kind) for case in CASES}
    assert named == {
        (cross, name, kind)
        for cross, entries in ((False, BI), (True, CROSS))
        for name, entry in entries.items()
        for kind in entry.kinds
    } - {(True, "ranking", "pairs"), (True, "bce", "labelled pairs")}  # made triplets, and scores


def test_every_loss_but_softmax_is_made_without_arguments() -> None:
    entries = {**BI, **{f"cross {name}": entry for name, entry in CROSS.items()}}
    made = [entry.loss() for name, entry in entries.items() if name != "softmax"]
    assert all(isinstance(loss, Loss) for loss in made)


@pytest.mark.slow
@each
@settings(max_examples=15)
@given(n=st.integers(1, 9), seed=st.integers(0, 2**32), negatives=st.integers(1, 3))
def test_a_loss_is_its_formula(case: Case, n: int, seed: int, negatives: int) -> None:
    outputs = case.outputs(n, seed, negatives)
    loss = case.loss(outputs)
    assert loss.shape == ()
    assert loss.item() == pytest.approx(case.reference(*arrays(outputs)), rel=1e-9, abs=1e-12)


@pytest.mark.slow
@each
def test_a_gradient_is_that_of_the_formula(case: Case) -> None:
    outputs = case.outputs(6, seed=1)

    def loss(*columns: torch.Tensor) -> torch.Tensor:
        return case.loss(Outputs(list(columns), outputs.targets, outputs.keys))

    assert loss(*outputs.columns).item() > 0
    assert torch.autograd.gradcheck(loss, tuple(outputs.columns))


@each
def test_a_loss_of_float32_is_float32_and_the_same(case: Case) -> None:
    exact = case.outputs(8, seed=2)
    columns = [column.detach().float() for column in exact.columns]
    targets = exact.targets
    if targets is not None and targets.is_floating_point():
        targets = targets.float()
    loss = case.loss.float()(Outputs(columns, targets, exact.keys))
    case.loss.double()
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(case.loss(exact).item(), rel=1e-4)


@pytest.mark.slow
@each
@given(seed=st.integers(0, 2**32))
@settings(max_examples=5)
def test_the_order_of_examples_does_not_count(case: Case, seed: int) -> None:
    outputs = case.outputs(7, seed)
    order = torch.tensor(np.random.default_rng(seed).permutation(7))
    targets = None if outputs.targets is None else outputs.targets[order]
    mixed = Outputs([column[order] for column in outputs.columns], targets, outputs.keys[order])
    assert case.loss(mixed).item() == pytest.approx(case.loss(outputs).item())


@each_without_axes
def test_a_turn_of_the_space_does_not_count(case: Case) -> None:
    outputs = case.outputs(7, seed=3)
    dim = outputs.columns[0].shape[1]
    turn = torch.linalg.qr(torch.randn(dim, dim, dtype=torch.float64))[0]
    turned = Outputs([column @ turn for column in outputs.columns], outputs.targets, outputs.keys)
    assert case.loss(turned).item() == pytest.approx(case.loss(outputs).item())


@each_bi
def test_the_length_of_vectors_counts_only_where_it_is_said_to(case: Case) -> None:
    outputs = case.outputs(7, seed=4)
    lengths = [torch.rand(7, 1, dtype=torch.float64) + 0.5 for _ in outputs.columns]
    columns = [column * length for column, length in zip(outputs.columns, lengths, strict=True)]
    scaled = case.loss(Outputs(columns, outputs.targets, outputs.keys)).item()
    unchanged = scaled == pytest.approx(case.loss(outputs).item())
    assert unchanged is not any(word in case.id for word in LENGTH_COUNTS)


@each_bi
def test_vectors_of_zeros_and_equal_vectors_give_finite_gradients(case: Case) -> None:
    outputs = case.outputs(6, seed=5)
    with torch.no_grad():
        for column in outputs.columns:
            column[:2] = 0
            column[2:4] = 1
    case.loss(outputs).backward()
    assert all(column.grad.isfinite().all() for column in outputs.columns)


@each
def test_one_example_gives_a_finite_loss_and_gradient(case: Case) -> None:
    outputs = case.outputs(1, seed=6)
    loss = case.loss(outputs)
    loss.backward()
    assert loss.isfinite()
    assert all(column.grad.isfinite().all() for column in outputs.columns)


@each
def test_a_loss_without_gradients_is_the_same(case: Case) -> None:
    outputs = case.outputs(6, seed=7)
    with torch.no_grad():
        loss = case.loss(outputs)
    assert not loss.requires_grad
    assert loss.item() == case.loss(outputs).item()


def test_a_vector_of_zeros_has_no_direction_and_gets_no_gradient() -> None:
    vectors = torch.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    units = unit(vectors)
    units.sum().backward()
    assert units.tolist() == [[0, 0], [pytest.approx(0.6), pytest.approx(0.8)]]
    assert vectors.grad[0].tolist() == [0, 0]


@pytest.mark.parametrize("module", [m.name for m in pkgutil.iter_modules(losses.__path__)])
def test_examples_run(module: str) -> None:
    found = importlib.import_module(f"{losses.__name__}.{module}")
    result = doctest.testmod(found)
    assert result.failed == 0
    assert result.attempted or module == "loss"
