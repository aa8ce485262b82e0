"""The loop: the best weights are kept, seeds reproduce, and what goes wrong is said."""

import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from points import DIM, Points, objectives, pairs, quality, run
from torch import nn

from sememe.errors import InputError, MissingExtra, SememeWarning
from sememe.evaluation.outcome import History
from sememe.training.losses.loss import Loss, Outputs
from sememe.training.losses.pairs import CosineMSELoss, SoftmaxLoss
from sememe.training.settings import TrainingSettings
from sememe.training.towers import Tower
from sememe.training.trainer import Objective, Trainer

STEPS = 54
"""Of `run` as it stands."""


def scripted(values: list[float]) -> Any:
    """A measure that gives these values in turn."""
    left = iter(values)
    return lambda _: next(left)


def trained(
    tower: Tower, loss: Loss, measure: Any = None, count: int = 40, **settings: Any
) -> History:
    defaults = {"batch_size": 8, "precision": "f32", "learning_rate": 0.02, "device": "cpu"}
    objective = Objective(pairs(count), loss)
    return Trainer(
        tower, [objective], TrainingSettings(**{**defaults, **settings}), measure=measure
    ).run()


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.slow
def test_a_tower_learns_from_two_data_sets_and_ends_with_its_best_weights() -> None:
    tower = Points()
    history, _ = run(tower=tower)
    assert (len(history.losses), len(history.rates)) == (STEPS, STEPS)
    assert history.best is not None
    values = [value for _, value in history.evaluations]
    assert history.evaluations[0][0] == 0
    assert values[history.best] == max(values) > values[0] + 0.2
    assert history.best < len(values) - 1, "else nothing would be shown"
    # All of it: batch norm's running means are no parameters, and belong to them.
    assert quality(tower) == values[history.best]


def test_a_loss_s_own_weights_learn_too() -> None:
    torch.manual_seed(0)
    loss = SoftmaxLoss(DIM, 2)
    before = loss.classifier.weight.detach().clone()
    objective = Objective(pairs(40, "labels"), loss)
    settings = TrainingSettings(batch_size=8, learning_rate=0.01, precision="f32", device="cpu")
    Trainer(Points(), [objective], settings).run()
    assert not torch.equal(loss.classifier.weight, before)


def test_without_a_measure_the_last_weights_stay() -> None:
    tower = Points()
    before = {name: weight.clone() for name, weight in tower.state_dict().items()}
    history = trained(tower, CosineMSELoss(), epochs=2)
    assert (history.evaluations, history.best) == ([], None)
    assert not same(before, tower.state_dict())


# --- seeds ---


@pytest.mark.slow
def test_a_seed_reproduces_everything_whatever_was_drawn_before() -> None:
    torch.manual_seed(1)
    history, weights = run(seed=4)
    torch.manual_seed(2)
    np.random.default_rng().normal()
    again, others = run(seed=4)
    assert (history, same(weights, others)) == (again, True)
    assert run(seed=5)[0].losses != history.losses


def test_dropout_is_drawn_anew_at_every_step() -> None:
    # One batch, no learning to speak of: what differs is what dropped out.
    history = trained(Points(), CosineMSELoss(), count=8, epochs=6, learning_rate=1e-12)
    assert len({round(loss, 7) for loss in history.losses}) == 6
    history = trained(Points(dropout=0), CosineMSELoss(), count=8, epochs=6, learning_rate=1e-12)
    np.testing.assert_allclose(history.losses, history.losses[0], rtol=1e-5)


# --- rates, norms, decay ---


def test_the_rate_rises_in_the_warm_up_and_falls_to_nothing() -> None:
    history = trained(Points(), CosineMSELoss(), epochs=4, warmup=0.2, learning_rate=0.1)
    up, down = [0.025, 0.05, 0.075, 0.1], [0.1 * left / 16 for left in range(16, 0, -1)]
    np.testing.assert_allclose(history.rates, up + down, rtol=1e-9)
    assert TrainingSettings(warmup=0).rate(0, 10) == TrainingSettings(warmup=0).learning_rate
    history = trained(Points(), CosineMSELoss(), epochs=1, warmup=1, learning_rate=0.1)
    np.testing.assert_allclose(history.rates, [0.02, 0.04, 0.06, 0.08, 0.1], rtol=1e-9)


def norm_of(module: Any) -> float:
    return float(nn.utils.get_total_norm([w.grad for w in module.parameters()]))


def test_gradients_are_scaled_down_to_the_longest_allowed() -> None:
    norms = []
    for limit in (1e9, 0.01):
        tower = Points()
        trained(tower, CosineMSELoss(), epochs=0.1, max_norm=limit)  # one step
        norms.append(norm_of(tower))
    assert norms[0] > 0.02
    assert norms[1] == pytest.approx(0.01, rel=1e-3)


class Nothing(Loss):
    """A loss whose gradient is 0."""

    def forward(self, outputs: Outputs) -> Any:
        return 0 * sum(column.sum() for column in outputs.columns)


def test_matrices_alone_decay() -> None:
    tower = Points()
    before = {name: weight.detach().clone() for name, weight in tower.named_parameters()}
    trained(tower, Nothing(), epochs=0.1, weight_decay=0.5, learning_rate=0.1, warmup=0)
    for name, weight in tower.named_parameters():
        shrunk = 0.95 if weight.ndim > 1 else 1.0
        torch.testing.assert_close(weight.detach(), shrunk * before[name])


# --- evaluations ---


@pytest.mark.parametrize(
    ("epochs", "evaluations", "expected"),
    [
        (1, 1, [0, 5]),
        (2, 2, [0, 2, 5, 8, 10]),
        (0.5, 1, [0, 2]),
        (0.5, 4, [0, 1, 2]),
        (1, 50, [0, 1, 2, 3, 4, 5]),
        (3, 1, [0, 5, 10, 15]),
    ],
)
def test_it_is_evaluated_as_often_as_said_and_at_the_end(
    epochs: float, evaluations: int, expected: list[int]
) -> None:
    history = trained(Points(), CosineMSELoss(), quality, epochs=epochs, evaluations=evaluations)
    assert [step for step, _ in history.evaluations] == expected


def test_patience_ends_it() -> None:
    measure = scripted([0.5, 0.6, 0.6, 0.4, 0.9])
    history = trained(Points(), CosineMSELoss(), measure, epochs=9, patience=2)
    assert [value for _, value in history.evaluations] == [0.5, 0.6, 0.6, 0.4]
    assert (history.best, len(history.losses)) == (1, 15)


def test_weights_that_no_step_improved_are_given_back() -> None:
    tower = Points()
    before = {name: weight.clone() for name, weight in tower.state_dict().items()}
    history = trained(tower, CosineMSELoss(), scripted([0.5, 0.4, 0.5]), epochs=2)
    assert history.best == 0, "as good is not better"
    assert same(tower.state_dict(), before)


def test_a_measure_sees_the_tower_without_dropout_and_changes_nothing() -> None:
    seen = []

    def measure(tower: Any) -> float:
        seen.append((quality(tower), quality(tower)))
        tower.eval()  # some forget what they did
        return seen[-1][0]

    with_measure, without = Points(), Points()
    history = trained(with_measure, CosineMSELoss(), measure, epochs=2)
    assert all(a == b for a, b in seen)
    assert history.losses == trained(without, CosineMSELoss(), epochs=2).losses


# --- what is not a number ---


class Breaking(Loss):
    """A loss that is not a number, or has a gradient that is none, from some call on."""

    def __init__(self, good: int, *, gradient: bool = False) -> None:
        super().__init__()
        self.left, self.gradient = good, gradient

    def forward(self, outputs: Outputs) -> Any:
        self.left -= 1
        loss = CosineMSELoss()(outputs)
        if self.left >= 0:
            return loss
        zero = 0 * outputs.columns[0].sum()
        return loss + zero.sqrt() if self.gradient else loss + math.nan * zero


@pytest.mark.parametrize("gradient", [False, True])
def test_a_loss_that_is_no_number_ends_it_with_the_best_weights_so_far(gradient: bool) -> None:
    tower = Points()
    with pytest.warns(SememeWarning, match=r"step 13 .* ended there, with the best weights so far"):
        history = trained(tower, Breaking(12, gradient=gradient), quality, epochs=9)
    assert len(history.losses) == 12
    assert history.best
    assert quality(tower) == history.evaluations[history.best][1] > history.evaluations[0][1]


@pytest.mark.parametrize("gradient", [False, True])
def test_a_loss_that_is_no_number_before_anything_better_is_an_error(gradient: bool) -> None:
    tower = Points()
    with pytest.raises(InputError, match=r"step 3 .*before anything better.*lower learning_rate"):
        trained(tower, Breaking(2, gradient=gradient), quality)
    assert all(weight.isfinite().all() for weight in tower.parameters())
    with pytest.raises(InputError, match="before anything better was measured"):
        trained(Points(), Breaking(2, gradient=gradient))


def test_a_rate_far_too_high_is_said() -> None:
    with pytest.raises(
        InputError, match=r"learning rate 1\.0e\+38.* Take a lower learning_rate\.$"
    ):
        trained(Points(), CosineMSELoss(), learning_rate=1e38, warmup=0)


# --- precision, logs, data ---


@pytest.mark.slow
def test_bf16_learns_and_keeps_weights_in_f32() -> None:
    tower = Points()
    history, weights = run(tower=tower, precision="bf16")
    assert history.losses != run()[0].losses
    assert {x.dtype for x in weights.values() if x.is_floating_point()} == {torch.float32}
    values = [value for _, value in history.evaluations]
    assert max(values) > values[0] + 0.2


def test_auto_takes_what_the_processor_is_good_at() -> None:
    trainer = Trainer(Points(), objectives(), TrainingSettings(precision="auto", device="cpu"))
    assert trainer.precision in ("f32", "bf16")


def events(folder: Path) -> Iterator[tuple[str, int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for file in folder.rglob("events.out.*"):
        found = EventAccumulator(str(file)).Reload()
        for tag in found.Tags()["scalars"]:
            yield from ((tag, each.step, each.value) for each in found.Scalars(tag))


@pytest.mark.slow
def test_tensorboard_gets_the_losses(tmp_path: Path) -> None:
    history, _ = run(log="tensorboard", log_directory=str(tmp_path / "logs"))
    found = {(tag, step): value for tag, step, value in events(tmp_path / "logs")}
    for step, (loss, rate) in enumerate(zip(history.losses, history.rates, strict=True), start=1):
        assert found["loss", step] == pytest.approx(loss, rel=1e-6)
        assert found["learning_rate", step] == pytest.approx(rate, rel=1e-6)
    for done, value in history.evaluations:
        assert found["metric", done] == pytest.approx(value, rel=1e-6)


def test_a_tracker_that_is_not_installed_is_said() -> None:
    if importlib.util.find_spec("wandb"):
        pytest.skip("it is installed here")
    with pytest.raises(MissingExtra, match=r"log='wandb' needs wandb: pip install wandb"):
        TrainingSettings(log="wandb")


# --- settings ---


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epochs", 0, "give a number above 0"),
        ("learning_rate", 0.0, "give a number above 0"),
        ("max_norm", 0, "give a number above 0"),
        ("epochs", math.nan, "epochs=nan: give a number above 0"),
        ("epochs", "3", "epochs='3': give a number above 0"),
        ("learning_rate", -1e-5, "give a number above 0"),
        ("learning_rate", math.inf, "learning_rate=inf: give a number"),
        ("batch_size", 1, "batch_size=1: give a whole number from 2"),
        ("batch_size", 16.0, "give a whole number from 2"),
        ("per_label", 2.5, "give a whole number from 0"),
        ("seed", -1, "seed=-1: give a whole number from 0"),
        ("seed", 2**64, "give a whole number from 0"),
        ("evaluations", 1.5, "give a whole number from 1"),
        ("patience", 0, "patience=0: give a whole number from 1"),
        ("warmup", 1.5, "warmup=1.5: give a number of at least 0 and of at most 1"),
        ("precision", "int8", "precision='int8' is not known; there are auto, f32, bf16"),
        ("log", "mlflow", "log='mlflow' is not known; there are tensorboard, wandb"),
    ],
)
def test_settings_that_lead_nowhere_are_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TrainingSettings(**{name: value})


def test_a_device_that_is_not_there_is_said() -> None:
    with pytest.raises(InputError, match=r"device='cuda:99' is not there; there are: .*cpu"):
        Trainer(Points(), objectives(), TrainingSettings(device="cuda:99"))


@pytest.mark.slow
def test_a_time_ends_the_schedule_as_its_steps_would() -> None:
    history = trained(
        Points(), CosineMSELoss(), quality, epochs=1_000_000, evaluations=1, minutes=0.02
    )
    steps = len(history.losses)
    assert 1 < steps < 1_000_000
    assert history.evaluations[-1][0] == steps, "measured at its end"
    peak = int(np.argmax(history.rates))
    assert history.rates[peak:] == sorted(history.rates[peak:], reverse=True)
