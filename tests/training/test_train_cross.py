"""A whole run for cross-encoders: new heads, heads that were there, and an honest word on them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentence_transformers
import torch
from learners import QUICK, judged, make_learner

import sememe
from sememe.checkpoint import read
from sememe.errors import GuessWarning, InputError
from sememe.evaluation.measures import measure_bi, measure_cross
from sememe.training.plan import make_plan
from tiny_models import make_cross_encoder
from training_tables import KINDS, Table, table, write_csv

pytestmark = pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning")
KINDS_OF_PAIRS = [kind for kind in KINDS if kind != "labelled texts"]
BETTER = ("scored pairs", "labelled pairs")
"""Whether a document answers a query is more than so small a model learns."""
PAIRS = [(a, b) for a in ("nuclear power", "the bus") for b in ("solar energy", "a film", "")]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_learner(tmp_path_factory.mktemp("cross") / "model")


def scores(folder: Path, raw: bool = True) -> Any:
    return sememe.CrossEncoder(folder, precision="f32").score(PAIRS, raw=raw)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS_OF_PAIRS)
def test_every_kind_of_pairs_makes_a_cross_encoder(tmp_path: Path, model: Path, kind: str) -> None:
    data = write_csv(tmp_path / "data.csv", judged(kind, 200))
    done = sememe.train_cross(data, tmp_path / "made", model=model, **QUICK)
    assert {path.name for path in tmp_path.iterdir()} == {"data.csv", "made"}
    assert done.better is (kind in BETTER)
    assert done.verdict.startswith("Better") is (kind in BETTER)
    assert done.first is not None
    assert done.last is not None

    # Before, there were the bi-encoder's cosines; after, what was saved.
    held = make_plan(data, None, dict(QUICK), cross=True).test
    assert held is not None
    cross = sememe.CrossEncoder(tmp_path / "made", precision="f32")

    def raw(pairs: Any) -> Any:
        return cross.score(pairs, raw=True).reshape(len(pairs), -1)

    again = measure_cross(held, raw, held.positive_label)
    assert again.metric == done.last.metric
    assert again.value == pytest.approx(done.last.value)
    if kind in BETTER:
        encoder = sememe.BiEncoder(model, precision="f32")
        before = measure_bi(held, encoder.encode, held.positive_label)
        assert done.first.value == pytest.approx(before.value, abs=1e-3)

    report = json.loads((tmp_path / "made" / "training.json").read_text())
    assert (report["better"], report["verdict"]) == (done.better, done.verdict)
    assert (tmp_path / "made" / "training.html").is_file()
    theirs = sentence_transformers.CrossEncoder(str(tmp_path / "made"), device="cpu")
    expected = theirs.predict(PAIRS, activation_fn=torch.nn.Identity())
    np.testing.assert_allclose(scores(tmp_path / "made"), expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "loss", "activation"),
    [
        ("scored pairs", "bce", "sigmoid"),
        ("scored pairs", "mse", "sigmoid"),
        ("triplets", "ranking", "identity"),
        ("taught triplets", "margin-mse", "identity"),
    ],
)
def test_scores_are_what_the_loss_made_them(
    tmp_path: Path, model: Path, kind: str, loss: str, activation: str
) -> None:
    options = {**QUICK, "epochs": 1, "dev": "none", "loss": loss}
    sememe.train_cross(judged(kind, 40), tmp_path / "made", model=model, **options)
    scoring = read(tmp_path / "made").scoring
    assert scoring is not None
    assert (len(scoring.labels), scoring.activation) == (1, activation)


def named(rows: int, names: list[str]) -> Table:
    columns = judged("labelled pairs", rows)
    columns["label"] = [names[i % len(names)] for i in range(rows)]
    return columns


@pytest.mark.slow
def test_classes_of_pairs_get_a_logit_each(tmp_path: Path, model: Path) -> None:
    names = ["denies", "entails", "neutral"]
    done = sememe.train_cross(named(120, names), tmp_path / "made", model=model, **QUICK)
    assert done.last is not None
    assert done.last.metric == "accuracy"
    cross = sememe.CrossEncoder(tmp_path / "made", precision="f32")
    assert cross.labels == tuple(names)
    probabilities = cross.score(PAIRS)
    assert probabilities.shape == (len(PAIRS), 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.slow
def test_a_cross_encoder_goes_on_from_its_own_head(tmp_path: Path) -> None:
    make_cross_encoder(tmp_path / "base")
    options = {**QUICK, "epochs": 1, "learning_rate": 1e-9}
    done = sememe.train_cross(judged("scored pairs", 60), tmp_path / "made",
                              model=tmp_path / "base", **options)  # fmt: skip
    np.testing.assert_allclose(scores(tmp_path / "made"), scores(tmp_path / "base"), atol=1e-5)
    assert done.first is not None
    held = make_plan(judged("scored pairs", 60), None, {}, cross=True).test
    assert held is not None
    own = sememe.CrossEncoder(tmp_path / "base", precision="f32")
    before = measure_cross(held, lambda pairs: own.score(pairs, raw=True)[:, None])
    assert done.first.value == pytest.approx(before.value, abs=1e-3), "not its cosines"
    with pytest.warns(GuessWarning, match="base is a cross-encoder: .* its head left out"):
        sememe.train_bi(judged("scored pairs", 20), tmp_path / "bi", model=tmp_path / "base",
                        dev="none", **options)  # fmt: skip


@pytest.mark.slow
def test_shuffled_scores_make_no_better_model(tmp_path: Path, model: Path) -> None:
    columns = judged("scored pairs", 200)
    np.random.default_rng(1).shuffle(columns["score"])
    done = sememe.train_cross(columns, tmp_path / "made", model=model, **QUICK)
    assert done.better is False
    assert not done.verdict.startswith("Better")


@pytest.mark.slow
def test_worse_than_cosines_is_called_worse(tmp_path: Path, model: Path) -> None:
    # A head that has learnt nothing, against a bi-encoder that has learnt it all.
    data = table("labelled pairs", 300)
    taught = sememe.train_bi(data, tmp_path / "taught", model=model, **QUICK)
    assert taught.better
    done = sememe.train_cross(
        data, tmp_path / "made", model=tmp_path / "taught", **{**QUICK, "learning_rate": 1e-9}
    )
    assert done.history.best is not None
    assert done.comparison is not None
    assert done.comparison.high < 0
    assert done.verdict.startswith("Worse: ")
    assert done.verdict.endswith("Keep the model that you had.")


@pytest.mark.slow
def test_a_seed_gives_the_same_head(tmp_path: Path, model: Path) -> None:
    options = {**QUICK, "epochs": 1, "dev": "none"}
    for name, seed, drawn in (("a", 1, 5), ("b", 1, 6), ("c", 2, 5)):
        torch.manual_seed(drawn)
        data = judged("triplets", 40)
        sememe.train_cross(data, tmp_path / name, model=model, seed=seed, **options)
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in "abc"]
    assert files[0] == files[1] != files[2]


@pytest.mark.slow
def test_lora_trains_a_new_head(tmp_path: Path, model: Path) -> None:
    data = judged("labelled pairs", 200)
    done = sememe.train_cross(data, tmp_path / "made", model=model, lora=4, **QUICK)
    assert done.better
    choices = {choice.name: choice for choice in done.choices}
    assert choices["loss"].value == "bce"


def test_single_texts_are_refused(tmp_path: Path, model: Path) -> None:
    with pytest.raises(InputError, match="a cross-encoder reads pairs"):
        sememe.train_cross(table("labelled texts", 40), tmp_path / "made", model=model)
    assert list(tmp_path.iterdir()) == []


def test_data_sets_that_need_different_heads_or_candidates_are_refused(
    tmp_path: Path, model: Path
) -> None:
    scored, triplets = judged("scored pairs", 40), judged("triplets", 40, seed=1)
    several: list[tuple[list[Table], str]] = [
        ([scored, triplets], "bce, ranking of the data and the data: a cross-encoder takes one"),
        ([named(40, ["a", "b", "c"]), named(44, ["d", "e", "f"])], "cross-entropy of .* one set"),
    ]
    for data, message in several:
        with pytest.raises(InputError, match=message):
            sememe.train_cross(data, tmp_path / "made", model=model, dev="none")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_data_sets_of_one_loss_are_trained_together(tmp_path: Path, model: Path) -> None:
    data = [judged("pairs", 60), judged("triplets", 60, seed=1)]
    done = sememe.train_cross(data, tmp_path / "made", model=model, dev="none", **QUICK)
    assert len(done.history.losses) == 4 * (4 + 4)
    assert np.mean(done.history.losses[-8:]) < np.mean(done.history.losses[:8])
