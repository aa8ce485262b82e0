"""`sememe compare`: sentences as encoders of every kind see them."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from commands import sememe
from sememe import BiEncoder, CrossEncoder
from tiny_models import Tiny, make_checkpoint, make_cross_encoder

DOG = ("my dog is fast", "my canine is rapid", "he has a V8 diesel engine")


def compare(*arguments: object) -> subprocess.CompletedProcess[str]:
    return sememe("compare", *arguments, "--precision", "f32")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, tiny: Tiny) -> list[Path]:
    """A bi-encoder, a regular transformer, a cross-encoder, and one with three labels."""
    folder = tmp_path_factory.mktemp("models")
    plain = make_checkpoint(folder / "plain", layout="plain").directory
    make_cross_encoder(folder / "cross")
    make_cross_encoder(folder / "nli", labels=["no", "yes", "?"])
    return [tiny.directory, plain, folder / "cross", folder / "nli"]


@pytest.mark.slow
def test_the_default_model_knows_that_a_dog_is_a_canine(default_model: str) -> None:
    done = compare(*DOG, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    (row,) = said["models"]
    assert (said["first"], said["others"]) == (DOG[0], list(DOG[1:]))
    assert (row["model"], row["kind"], row["dim"]) == (default_model, "bi-encoder", 384)
    canine, engine = row["values"]
    assert canine > 0.8
    assert engine < 0.4


@pytest.mark.slow
def test_every_kind_of_encoder_is_a_row_with_its_own_measure(models: list[Path]) -> None:
    done = compare(*DOG, "--model", *models, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "the pooling is said in the table, not in a note"
    bi, plain, cross, nli = json.loads(done.stdout)["models"]
    kinds = [row["kind"] for row in (bi, plain, cross, nli)]
    assert kinds == ["bi-encoder", "regular transformer", "cross-encoder", "cross-encoder"]
    assert [row["dim"] for row in (bi, plain, cross, nli)] == [32, 32, None, None]
    for row, pooling in ((bi, None), (plain, "mean")):
        vectors = BiEncoder(row["model"], precision="f32", pooling=pooling).encode(DOG)
        cosines = vectors[1:] @ vectors[0] / np.linalg.norm(vectors[1:], axis=1)
        np.testing.assert_allclose(row["values"], cosines / np.linalg.norm(vectors[0]), atol=1e-5)
    pairs = [(DOG[0], other) for other in DOG[1:]]
    scores = CrossEncoder(cross["model"], precision="f32").score(pairs)
    np.testing.assert_allclose(cross["values"], scores, atol=1e-5)
    several = CrossEncoder(nli["model"], precision="f32").score(pairs)
    found = [[value[name] for name in ("no", "yes", "?")] for value in nli["values"]]
    np.testing.assert_allclose(found, several, atol=1e-5)


@pytest.mark.slow
def test_the_table_is_aligned(models: list[Path]) -> None:
    done = compare(
        "a car", "a\nbus", "the wind " * 9, "--model", *models[:2], "--model", *models[2:]
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 5
    assert len({len(line) for line in lines}) == 1
    column = lines[0].index("kind")
    for line, kind in zip(
        lines[1:],
        ("bi-encoder", "regular transformer (mean-pooled)", "cross-", "cross-"),
        strict=True,
    ):
        assert line[column:].startswith(kind)
    assert "a bus" in lines[0]
    assert lines[0].endswith("…")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a", "b", "--model", "./no/such-model"), "no/such-model"),
        (("a",), "required: B"),
        ((" ", "b", "--model", "CROSS"), "is blank"),
        (("a", " "), "is blank"),
    ],
)
def test_what_cannot_be_compared_is_one_line_and_exit_code_2(
    models: list[Path], arguments: tuple[str, ...], said: str
) -> None:
    done = compare(*(models[2] if part == "CROSS" else part for part in arguments))
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_a_device_that_is_not_there_is_named_with_those_that_are(models: list[Path]) -> None:
    done = compare(*DOG, "--model", models[0], "--device", "cuda:9")
    assert done.returncode == 2
    assert "--device cuda:9 is not there; there are: " in done.stderr
    assert len(done.stderr.splitlines()) == 1
