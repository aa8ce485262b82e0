"""Siamese training on faces: a small image tower learns to tell people apart whom it never saw.

python examples/faces.py --data ../shared/data [--seed 0] [--html DIR]

The last 8 of 40 people are held out: they are in no triplet, and nothing is chosen by them.
Images: the AT&T Database of Faces; credit to AT&T Laboratories Cambridge.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from sememe.data import Example
from sememe.evaluation.measures import Measurement
from sememe.evaluation.outcome import Outcome, write_outcome
from sememe.training import Objective, Tower, Trainer, TrainingSettings
from sememe.training.losses.pairs import TripletLoss

UNSEEN = 8
Array = npt.NDArray[Any]


class FaceTower(Tower):
    """Grey images (112, 92) to vectors (64,)."""

    def __init__(self) -> None:
        super().__init__()
        blocks: list[Any] = []
        for before, after in ((1, 16), (16, 32), (32, 64)):
            blocks += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        evened = nn.LayerNorm((56, 46), elementwise_affine=False)  # exposure says nothing of a face
        self.layers = nn.Sequential(
            nn.AvgPool2d(2), evened, *blocks, nn.Flatten(), nn.Linear(64 * 7 * 5, 64)
        )

    def forward(self, *inputs: Any) -> Any:
        """Images, uint8 (b, 112, 92): float32 (b, 64)."""
        images = inputs[0][:, None].float()
        if self.training:
            return self.layers(images)
        return self.layers(images) + self.layers(
            images.flip(-1)
        )  # its mirror image is the face too


class Triplets:
    """An image, another of the same person, one of somebody else: drawn when asked for."""

    def __init__(self, images: Array, people: Array, count: int, seed: int) -> None:
        self.images, self.people, self.count, self.seed = images, people, count, seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, i: int) -> Example:
        random = np.random.default_rng([self.seed, i])
        person, other = random.choice(np.unique(self.people), 2, replace=False)
        rows = [
            *random.choice(np.flatnonzero(self.people == person), 2, replace=False),
            random.choice(np.flatnonzero(self.people == other)),
        ]
        return Example(tuple(varied(self.images[row], random) for row in rows))


def varied(image: Array, random: np.random.Generator, most: int = 6) -> Array:
    """The image moved by so many pixels at the most, and mirrored half of the times."""
    down, right = random.integers(0, 2 * most + 1, 2)
    height, width = image.shape
    moved = np.pad(image, most, mode="edge")[down : down + height, right : right + width]
    return moved[:, ::-1] if most and random.random() < 0.5 else moved


def pairs(people: Array, random: np.random.Generator) -> tuple[Array, Array, Array]:
    """All pairs of images of one person, as many of two people, and which are which."""
    first, second = np.triu_indices(len(people), 1)
    same = people[first] == people[second]
    first, second = first[same], second[same]
    others = [random.choice(np.flatnonzero(people != people[row])) for row in first]
    alike = np.repeat([True, False], len(first))
    return np.tile(first, 2), np.concatenate([second, others]), alike


def verify(encode: Any, images: Array, people: Array, unseen: Array, most: int = 6) -> Measurement:
    """Of each unseen person, how often two images are rightly said to be of one person or of two.

    The threshold is the best one for pairs of the people trained on. Their second image is varied,
    for a tower is surer of images that it was trained on than of new ones.
    """
    random = np.random.default_rng(0)

    def cosines(rows: Array, most: int) -> tuple[Array, Array, Array]:
        first, second, same = pairs(people[rows], random)
        both = images[rows], [varied(image, random, most) for image in images[rows]]
        a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in map(encode, both))
        return (a[first] * b[second]).sum(1), same, people[rows][first]

    found, same, _ = cosines(~unseen, most)
    threshold = max(found, key=lambda value: np.mean((found >= value) == same))
    found, same, person = cosines(unseen, 0)
    right = (found >= threshold) == same
    # A value a person: intervals then come of drawing people, as many pairs of one are little news.
    by_person = np.array([right[person == one].mean() for one in np.unique(person)])
    return Measurement("verification accuracy", np.mean, by_person)


def run(images: Array, people: Array, unseen: Array, seed: int) -> Outcome:
    """Train a tower on the people who are not to be unseen, and verify before and after."""
    torch.manual_seed(seed)
    tower, settings = FaceTower(), TrainingSettings(batch_size=32, learning_rate=5e-4, seed=seed)
    triplets = Triplets(images[~unseen], people[~unseen], 600 * settings.batch_size, seed)
    trainer = Trainer(tower, [Objective(triplets, TripletLoss(margin=0.3))], settings)
    before = verify(tower.encode, images, people, unseen)
    history = trainer.run()
    after = verify(tower.encode, images, people, unseen)
    return Outcome(Path(), "Faces", [], trainer.precision, history, before, after)


def main() -> None:
    """Train, and say how often it is right about people whom it never saw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="where faces/att_faces.npz is")
    parser.add_argument("--seed", type=int, default=0, help="of weights, batches and triplets")
    parser.add_argument("--html", type=Path, help="where training.html, the run's curves, goes")
    options = parser.parse_args()
    file = options.data / "faces" / "att_faces.npz"
    if not file.is_file():
        parser.error(f"{file} is missing; docs/data.md says what it is and where it comes from")
    data = np.load(file)
    images, people = data["images"], data["subject"]
    unseen = np.isin(people, np.unique(people)[-UNSEEN:])
    pixels = verify(lambda x: np.reshape(x, (len(x), -1)) / 255, images, people, unseen, most=0)
    outcome = run(images, people, unseen, options.seed)
    print(f"Raw pixels: {pixels.metric} {100 * pixels.value:.1f}. {outcome.verdict}")
    if options.html:
        options.html.mkdir(parents=True, exist_ok=True)
        write_outcome(outcome, options.html)


if __name__ == "__main__":
    main()
