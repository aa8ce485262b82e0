"""A batch's gradients are the same however it is computed: at once, or in many parts."""

from pathlib import Path
from typing import Any
from weakref import ref

import pytest
import torch
from accelerate import Accelerator
from gradients import assert_alike, gradients

from sememe.checkpoint import Scoring, read
from sememe.data import load
from sememe.training import towers
from sememe.training.losses import BI, CROSS
from sememe.training.losses.loss import Loss, Matryoshka, Outputs
from sememe.training.towers import BiTower, CrossTower
from sememe.training.trainer import Stepper
from tiny_models import HIDDEN, make_checkpoint
from training_tables import table

BI_LOSSES = [
    (name, kind) for name, entry in BI.items() for kind in entry.kinds
]  # every loss with every kind of data
CROSS_LOSSES = [(name, kind) for name, entry in CROSS.items() for kind in entry.kinds]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("steps")).directory


def made(name: str, dim: int, cross: bool = False) -> Loss:
    torch.manual_seed(1)
    return (CROSS if cross else BI)[name].loss(*((dim, 2) if name == "softmax" else ()))


def batch(tower: Any, kind: str, rows: int = 12) -> tuple[Any, Any]:
    examples = load(table(kind, rows, seed=3))
    chosen = [examples[i] for i in range(rows)]
    columns = [list(column) for column in zip(*(each.texts for each in chosen), strict=True)]
    if isinstance(tower, CrossTower):
        columns = [list(zip(columns[0], column, strict=True)) for column in columns[1:]]
    targets = [example.target for example in chosen]
    return columns, None if targets[0] is None else torch.tensor(targets)


def stepper(tower: Any, dtype: Any = torch.float32) -> Stepper:
    return Stepper(tower, Accelerator(cpu=True), dtype)


def assert_same_in_parts(
    tower: towers.TextTower,
    loss: Any,
    columns: Any,
    targets: Any,
    monkeypatch: pytest.MonkeyPatch,
    tokens: int,
) -> None:
    """A batch's loss and gradients are the same when a part holds so few tokens."""
    expected_loss = stepper(tower)(loss, columns, targets)
    expected = gradients(tower, loss)
    monkeypatch.setitem(towers.TOKENS, "cpu", tokens)
    assert len(tower.parts([item for column in columns for item in column])) > 2
    assert stepper(tower)(loss, columns, targets) == pytest.approx(expected_loss, rel=1e-5)
    assert_alike(gradients(tower, loss), expected)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), BI_LOSSES)
def test_parts_of_a_batch_give_its_gradients(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    tower = BiTower(read(folder)).eval()  # dropout would draw otherwise in parts
    loss = made(name, tower.dim)
    columns, targets = batch(tower, kind)
    assert_same_in_parts(tower, loss, columns, targets, monkeypatch, tokens=40)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), CROSS_LOSSES)
def test_parts_of_a_cross_encoder_s_batch_give_its_gradients(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    if (name, kind) == ("ranking", "pairs"):
        kind = "triplets"  # pairs get their negatives from the tower
    labels = ("0", "1") if name == "cross-entropy" else ("score",)
    tower = CrossTower(read(folder), Scoring(labels, "identity")).eval()
    loss = made(name, tower.dim, cross=True)
    columns, targets = batch(tower, kind)
    targets = targets.float() if name == "bce" else targets
    assert_same_in_parts(tower, loss, columns, targets, monkeypatch, tokens=60)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ranking", "triplet"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_dropped_out_drops_out_again_on_the_way_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, dtype: Any
) -> None:
    monkeypatch.setitem(towers.TOKENS, "cpu", 60)
    tower, loss = BiTower(read(folder)).train(), made(name, HIDDEN)
    columns, _ = batch(tower, "triplets")
    items = [text for column in columns for text in column]
    parts = tower.parts(items)
    assert len(parts) > 3

    torch.manual_seed(5)
    cached = stepper(tower, dtype)(loss, columns, None)
    after, found = torch.get_rng_state(), gradients(tower)

    torch.manual_seed(5)  # the same in the plain way, with all parts in memory
    outputs = torch.empty(len(items), HIDDEN)
    for part in parts:
        with torch.autocast("cpu", dtype, enabled=dtype == torch.bfloat16):
            outputs[torch.from_numpy(part.rows)] = tower(*part.inputs).float()
    keys = torch.arange(len(items)).reshape(len(columns), -1).T
    plain = loss(Outputs(list(outputs.chunk(len(columns))), None, keys))
    plain.backward()
    assert cached == pytest.approx(plain.item(), rel=1e-5)
    assert_alike(found, gradients(tower), tolerance=1e-4)
    assert torch.equal(after, torch.get_rng_state()), "nothing more was drawn than in the plain way"

    torch.manual_seed(6)
    assert stepper(tower, dtype)(loss, columns, None) != pytest.approx(cached, rel=1e-5)


def test_gradients_add_up(folder: Path) -> None:
    tower, loss = BiTower(read(folder)).eval(), made("ranking", HIDDEN)
    columns, _ = batch(tower, "pairs")
    stepper(tower)(loss, columns, None)
    once = gradients(tower)
    stepper(tower)(loss, columns, None)
    stepper(tower)(loss, columns, None)
    assert_alike({name: x / 2 for name, x in gradients(tower).items()}, once)


def test_matryoshka_is_cached_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tower, loss = BiTower(read(folder)).eval(), Matryoshka(made("cosent", HIDDEN), [HIDDEN, 8])
    columns, targets = batch(tower, "scored pairs")
    expected_loss = stepper(tower)(loss, columns, targets)
    expected = gradients(tower)
    monkeypatch.setitem(towers.TOKENS, "cpu", 40)
    assert stepper(tower)(loss, columns, targets) == pytest.approx(expected_loss, rel=1e-5)
    assert_alike(gradients(tower), expected)


class Watched(BiTower):
    """Counts the outputs whose graphs are alive."""

    alive: set[Any]
    most: int

    def forward(self, *inputs: Any) -> Any:
        found = super().forward(*inputs)
        if found.requires_grad:
            self.alive = {each for each in self.alive if each() is not None} | {ref(found)}
            self.most = max(self.most, len(self.alive))
        return found


def test_one_part_s_graph_is_in_memory_at_a_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(towers.TOKENS, "cpu", 40)
    tower, loss = Watched(read(folder)).eval(), made("ranking", HIDDEN)
    tower.alive, tower.most = set(), 0
    columns, _ = batch(tower, "pairs", rows=40)
    stepper(tower)(loss, columns, None)
    assert len(tower.parts([text for column in columns for text in column])) > 10
    assert 1 <= tower.most <= 2  # the one before ends when its name is given away


class Seen(Loss):
    """Keeps what a loss is given."""

    def forward(self, outputs: Outputs) -> Any:
        self.given = outputs
        return sum(column.sum() for column in outputs.columns)


@pytest.mark.parametrize("budget", [40, 10_000])
def test_a_loss_sees_the_batch_in_its_order(
    folder: Path, monkeypatch: pytest.MonkeyPatch, budget: int
) -> None:
    monkeypatch.setitem(towers.TOKENS, "cpu", budget)
    tower, loss = BiTower(read(folder)).eval(), Seen()
    columns = [["a a", "nuclear power is clean", "a a"], ["the", "a a", "bus"]]
    stepper(tower)(loss, columns, torch.tensor([0.5, 0.25, 1.0]))
    for column, vectors in zip(columns, loss.given.columns, strict=True):
        torch.testing.assert_close(
            vectors.detach(), torch.from_numpy(tower.encode(column)), rtol=1e-5, atol=1e-5
        )
    assert loss.given.targets.tolist() == [0.5, 0.25, 1.0]
    flat = [text for row in zip(*columns, strict=True) for text in row]
    keys = loss.given.keys.flatten().tolist()
    assert [[a == b for a in keys] for b in keys] == [[a == b for a in flat] for b in flat]


def test_bf16_computes_in_bf16_and_keeps_weights_in_f32(folder: Path) -> None:
    tower, loss = BiTower(read(folder)).eval(), made("ranking", HIDDEN)
    columns, _ = batch(tower, "pairs")
    exact = stepper(tower)(loss, columns, None)
    expected = gradients(tower)
    narrow = stepper(tower, torch.bfloat16)(loss, columns, None)
    assert exact != narrow == pytest.approx(exact, rel=0.05)
    found = gradients(tower)
    assert {x.dtype for x in found.values()} == {torch.float32}
    assert {weight.dtype for weight in tower.parameters()} == {torch.float32}
    a, b = (torch.cat([each[n].flatten() for n in expected]) for each in (found, expected))
    assert torch.cosine_similarity(a, b, dim=0) > 0.98
