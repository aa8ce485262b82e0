"""Several processes share a batch, and train as one does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from gradients import assert_alike, gradients

import sememe
from sememe.checkpoint import Scoring, read
from sememe.data import load
from sememe.training import towers
from sememe.training.losses import BI
from sememe.training.losses.cross import ScoreBCELoss
from sememe.training.losses.pairs import RankingLoss, SoftmaxLoss
from sememe.training.settings import TrainingSettings
from sememe.training.towers import BiTower, CrossTower
from sememe.training.trainer import Objective, Stepper, Trainer
from tiny_models import HIDDEN, make_checkpoint, random_bert
from training_processes import together
from training_tables import table, write_csv

STILL: dict[str, Any] = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
SETTINGS = TrainingSettings(
    epochs=2, batch_size=5, learning_rate=1e-3, precision="f32", device="cpu"
)


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without dropout, which every process draws for itself."""
    folder = tmp_path_factory.mktemp("processes") / "model"
    return make_checkpoint(folder, bert=random_bert(**STILL)).directory


def batches() -> list[tuple[str, Any, list[Any], Any]]:
    """Losses and batches: even, uneven, smaller than the processes are many, of labels."""
    made: list[tuple[str, Any, list[Any], Any]] = []
    for name, kind, rows in (
        ("ranking", "triplets", 12),
        ("ranking", "pairs", 7),
        ("ranking", "pairs", 2),
        ("cosent", "scored pairs", 5),
        ("softmax", "labelled pairs", 9),
        ("batch-hard", "labelled texts", 11),
        ("margin-mse", "taught triplets", 4),
    ):
        chosen = list(load(table(kind, max(rows, 8), seed=2)))[:rows]
        columns = [list(column) for column in zip(*(each.texts for each in chosen), strict=True)]
        targets = [each.target for each in chosen]
        torch.manual_seed(1)
        loss = BI[name].loss(*((HIDDEN, 2) if name == "softmax" else ()))
        made.append((name, loss, columns, None if targets[0] is None else torch.tensor(targets)))
    return made


def step_all(model: Path, output: Path, budget: int) -> None:
    """Take each batch's loss and gradients, and write them to a file of this process."""
    towers.TOKENS["cpu"] = budget
    accelerator, tower = Accelerator(cpu=True), BiTower(read(model)).train()
    stepper, found = Stepper(tower, accelerator, torch.float32), []
    for _, loss, columns, targets in batches():
        value = stepper(loss, columns, targets)
        found.append((value, gradients(tower, loss)))
    torch.save(found, output / f"{accelerator.process_index}.pt")


@pytest.mark.slow
@pytest.mark.parametrize(("count", "budget"), [(2, 10_000), (3, 60)])
def test_processes_give_one_process_s_gradients(
    still: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, budget: int
) -> None:
    monkeypatch.setitem(towers.TOKENS, "cpu", 10_000)
    step_all(still, tmp_path, 10_000)
    expected = torch.load(tmp_path / "0.pt")
    together(count, step_all, still, tmp_path, budget)
    for rank in range(count):
        found = torch.load(tmp_path / f"{rank}.pt")
        for (name, *_), (loss, ours), (one_loss, one) in zip(
            batches(), found, expected, strict=True
        ):
            assert loss == pytest.approx(one_loss, rel=1e-5), name
            assert_alike(ours, one)


def train_all(model: Path, output: Path) -> None:
    """Train a bi-encoder on two data sets, and a cross-encoder; write what came of it."""
    torch.manual_seed(0)
    softmax = SoftmaxLoss(HIDDEN, 2)
    bi, cross = BiTower(read(model)), CrossTower(read(model), Scoring(("s",), "identity"))
    pairs = Objective(load(table("pairs", 12)), RankingLoss())
    labelled = Objective(load(table("labelled pairs", 17)), softmax)
    done = Trainer(bi, [pairs, labelled], SETTINGS, measure=spread, folder=output).run()
    rank = Accelerator(cpu=True).process_index
    scored = Objective(load(table("scored pairs", 11)), ScoreBCELoss())
    other = Trainer(cross, [scored], SETTINGS).run()
    weights = {**bi.state_dict(), **{f"cross {n}": x for n, x in cross.state_dict().items()}}
    torch.save((done.losses, done.evaluations, other.losses, weights), output / f"{rank}.pt")


def spread(tower: Any) -> float:
    return float(tower.encode(["a a", "nuclear power", "the bus"]).std())


@pytest.mark.slow
def test_processes_train_as_one(still: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    train_all(still, tmp_path / "one")
    together(2, train_all, still, tmp_path / "two")
    *expected, weights = torch.load(tmp_path / "one" / "0.pt")
    for rank in range(2):
        *found, own = torch.load(tmp_path / "two" / f"{rank}.pt")
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-3)
        for name, weight in weights.items():
            torch.testing.assert_close(own[name], weight, rtol=0, atol=2e-3)


def run_all(model: Path, data: Path, output: Path) -> None:
    done = sememe.train_bi(data, output, model=model, epochs=2, learning_rate=1e-3, device="cpu",
                           lora=2, loss="softmax", positive="1", precision="f32")  # fmt: skip
    (output.parent / f"verdict {done.comparison}").touch()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning")
def test_a_whole_run_of_two_processes_is_saved_once(still: Path, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "data.csv", table("labelled pairs", 60))
    (tmp_path / "two").mkdir()
    together(2, run_all, still, data, tmp_path / "two" / "model")
    assert len(list((tmp_path / "two").glob("verdict*"))) == 1, "both processes found the same"
    assert {path.name for path in (tmp_path / "two").iterdir() if path.is_dir()} == {"model"}
    (tmp_path / "one").mkdir()
    run_all(still, data, tmp_path / "one" / "model")
    a, b = (
        sememe.BiEncoder(tmp_path / name / "model", precision="f32").encode(["the bus", "a"])
        for name in ("one", "two")
    )
    np.testing.assert_allclose(a, b, atol=1e-3)
