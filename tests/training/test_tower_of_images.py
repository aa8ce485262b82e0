"""The trainer knows a tower and nothing of texts: a small one of images learns as well."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from accelerate import Accelerator
from gradients import assert_alike, gradients
from sklearn.metrics import average_precision_score
from torch import nn

from sememe.data import Example
from sememe.errors import InputError
from sememe.evaluation.outcome import History
from sememe.training import Objective, Tower, Trainer, TrainingSettings
from sememe.training.losses.batches import BatchTripletLoss
from sememe.training.losses.loss import Loss, Outputs
from sememe.training.losses.pairs import RankingLoss, TripletLoss
from sememe.training.trainer import Stepper

Array = npt.NDArray[Any]
SIDE, IMAGES, KNOWN, UNSEEN = 12, 6, 40, 8


def faces() -> Array:
    """A pattern a person, in images that differ more by their light: uint8 (people, images, …)."""
    random, people = np.random.default_rng(0), KNOWN + UNSEEN
    patterns = random.normal(size=(people, 1, 4, 4)).repeat(3, 2).repeat(3, 3)
    light = random.normal(size=(people, IMAGES, 1, 1)) * np.linspace(-2, 2, SIDE)
    noise = random.normal(size=(people, IMAGES, SIDE, SIDE)) / 2
    return np.clip(128 + 20 * (patterns + light + noise), 0, 255).astype(np.uint8)


FACES = faces()


class FaceTower(Tower):
    """Images to vectors, with all that could go astray: batch norm, dropout."""

    def __init__(self, seed: int = 0, part_size: int = 256) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.part_size = part_size
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.1),
            nn.Flatten(), nn.Linear(8 * 5 * 5, 16),
        )  # fmt: skip

    def forward(self, *inputs: Any) -> Any:
        return self.layers(inputs[0][:, None].float() / 32 - 4)


class Triplets:
    """Drawn when asked for, however many there are."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, i: int) -> Example:
        random = np.random.default_rng(i)
        person, other = random.choice(KNOWN, 2, replace=False)
        anchor, positive, negative = random.choice(IMAGES, 3, replace=False)
        return Example((FACES[person, anchor], FACES[person, positive], FACES[other, negative]))


class Labelled:
    """Images and whose they are."""

    def __len__(self) -> int:
        return 3000

    def __getitem__(self, i: int) -> Example:
        person, image = np.random.default_rng(i).integers([KNOWN, IMAGES])
        return Example((FACES[person, image],), int(person))


def verified(tower: Tower) -> float:
    """How well cosines part pairs of images of one unseen person from pairs of two."""
    vectors = tower.encode(list(FACES[KNOWN:].reshape(-1, SIDE, SIDE)))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    people = np.repeat(np.arange(UNSEEN), IMAGES)
    first, second = np.triu_indices(len(people), 1)
    cosines = (vectors @ vectors.T)[first, second]
    return float(average_precision_score(people[first] == people[second], cosines))


def train(
    tower: Tower, examples: Any, loss: Loss, folder: Path | None = None, **settings: Any
) -> History:
    defaults = {"batch_size": 16, "learning_rate": 0.003, "precision": "f32", "device": "cpu"}
    options = TrainingSettings(**{**defaults, "save_minutes": 0, **settings})
    return Trainer(tower, [Objective(examples, loss)], options, folder=folder).run()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("examples", "loss", "batch_size"),
    [
        (Triplets(4000), TripletLoss(), 16),
        (Triplets(4000), RankingLoss(), 16),
        (Labelled(), BatchTripletLoss("semi-hard"), 48),
    ],
    ids=["triplets", "ranking", "semi-hard"],
)
@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_it_tells_people_apart_whom_it_never_saw(
    examples: Any, loss: Loss, batch_size: int, precision: str
) -> None:
    tower = FaceTower()
    assert verified(tower) < 0.6
    history = train(tower, examples, loss, batch_size=batch_size, precision=precision)
    assert np.mean(history.losses[-10:]) < 0.5 * np.mean(history.losses[:10])
    assert verified(tower) > 0.95
    assert {weight.dtype for weight in tower.parameters()} == {torch.float32}


class Stopped(BaseException):
    """As Ctrl-C."""


class Stopping(Triplets):
    """Somebody stops the run while an example is fetched."""

    def __init__(self, count: int, good: int) -> None:
        super().__init__(count)
        self.good = good

    def __getitem__(self, i: int) -> Example:
        self.good -= 1
        if self.good < 0:
            raise Stopped
        return super().__getitem__(i)


@pytest.mark.slow
@pytest.mark.parametrize("part_size", [256, 20])
def test_a_run_that_was_stopped_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, part_size: int
) -> None:
    expected = FaceTower(0, part_size)
    history = train(expected, Triplets(160), TripletLoss())
    with pytest.raises(Stopped):
        train(FaceTower(0, part_size), Stopping(160, 70), TripletLoss(), tmp_path)
    # Another tower: all that counts is in the folder.
    tower = FaceTower(5, part_size)
    assert train(tower, Triplets(160), TripletLoss(), tmp_path) == history
    for name, weight in expected.state_dict().items():
        assert torch.equal(tower.state_dict()[name], weight), name


def batch(rows: int) -> list[list[Array]]:
    """Columns of triplets."""
    triplets = Triplets(rows)
    return [[triplets[i].texts[column] for i in range(rows)] for column in range(3)]


def step(tower: Tower, loss: Loss, columns: list[list[Array]]) -> float:
    return Stepper(tower, Accelerator(), torch.float32)(loss, columns, None)


@pytest.mark.parametrize("size", [1, 7, 16, 47])
@pytest.mark.parametrize("loss", [TripletLoss(), RankingLoss()], ids=["triplet", "ranking"])
def test_parts_of_a_batch_give_its_gradients(loss: Loss, size: int) -> None:
    columns, towers = batch(16), [FaceTower(0, part).eval() for part in (size, 48)]
    parts, whole = (step(tower, loss, columns) for tower in towers)
    assert parts == pytest.approx(whole, rel=1e-5)
    assert_alike(gradients(towers[0]), gradients(towers[1]))


def test_what_dropped_out_of_a_part_drops_out_again_where_gradients_are_taken() -> None:
    columns, tower = batch(8), FaceTower(part_size=5)
    tower.layers[1].eval()  # the means of a batch norm would be of each part alone
    torch.manual_seed(0)
    step(tower, TripletLoss(), columns)
    found = gradients(tower)
    torch.manual_seed(0)
    images = [image for column in columns for image in column]
    vectors = torch.cat([tower(*part.inputs) for part in tower.parts(images)])
    TripletLoss()(Outputs(list(vectors.view(3, 8, -1)), None, torch.zeros(8, 3))).backward()
    assert_alike(found, gradients(tower))


@pytest.mark.slow
@pytest.mark.parametrize("held", [np.array, list, tuple])
@pytest.mark.parametrize("size", [1, 7, 30])
def test_images_are_encoded_in_their_order_however_they_are_held(size: int, held: Any) -> None:
    images = FACES[:5].reshape(-1, SIDE, SIDE)
    found = FaceTower(part_size=size).encode(held(images))
    assert found.dtype == np.float32
    assert found.shape == (30, 16)
    for one, vector in zip(images, found, strict=True):
        np.testing.assert_allclose(vector, FaceTower().encode([one])[0], atol=1e-5)


def test_no_images_are_an_error() -> None:
    with pytest.raises(InputError, match="nothing to encode"):
        FaceTower().encode([])
