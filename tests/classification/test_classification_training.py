"""Classifiers trained all three ways: right about unseen texts, judged honestly, opened again."""

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]
import pytest
from labelled_texts import labelled_texts
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold

import sememe
from sememe.classification import training
from sememe.data import load, split
from tiny_models import Linear, Tiny, make_checkpoint, random_bert

pytestmark = pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning")

QUICK: dict[str, dict[str, Any]] = {
    "probe": {},
    "few-shot": {"epochs": 4, "batch_size": 16, "learning_rate": 1e-3},
    "fine-tune": {"epochs": 4, "batch_size": 8, "learning_rate": 2e-4},
}
UNSEEN = labelled_texts(15, seed=9)
DEV = labelled_texts(15, seed=5)
FEW = labelled_texts(6)


def train(start: Tiny, output: Path, how: str, **options: Any) -> Any:
    data = options.pop("data", None)
    data = labelled_texts(20) if data is None else data
    given = {"how": how, "model": start.directory, **QUICK.get(how, {}), **options}
    return sememe.train_classifier(data, output, **given)


@pytest.fixture(scope="module")
def trained_by(
    shallow: Tiny, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Any, Path]]:
    """The outcome of a way of training, and the classifier: each way trains once."""

    @cache
    def trained(how: str) -> tuple[Any, Path]:
        output = tmp_path_factory.mktemp("classifiers") / how
        return train(shallow, output, how, dev=DEV), output

    return trained


@pytest.fixture(params=list(QUICK))
def trained(
    request: pytest.FixtureRequest, trained_by: Callable[[str], tuple[Any, Path]]
) -> tuple[Any, Path]:
    return trained_by(request.param)


@pytest.fixture(autouse=True, scope="module")
def few_folds() -> Iterator[None]:
    """Two folds choose C as five do, in a third of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_FOLDS", 2)
        yield


@pytest.mark.slow
def test_it_is_right_about_texts_it_has_not_seen(trained: tuple[Any, Path]) -> None:
    classifier = sememe.Classifier(trained[1], precision="f32")
    found = classifier.predict(UNSEEN["text"])
    assert accuracy_score(UNSEEN["label"], found) > 0.75
    assert classifier.labels == ["energy", "school", "travel"]


@pytest.mark.slow
def test_probabilities_are_those_of_the_saved_layer(trained: tuple[Any, Path]) -> None:
    _, output = trained
    classifier = sememe.Classifier(output, precision="f32")
    layer = load_file(output / "classifier.safetensors")
    vectors = SentenceTransformer(str(output), device="cpu").encode(UNSEEN["text"])
    powers = np.exp(vectors @ layer["weight"].T + layer["bias"])
    found = classifier.predict_proba(UNSEEN["text"])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, powers / powers.sum(1, keepdims=True), atol=1e-4)
    named = [classifier.labels[place] for place in found.argmax(1)]
    assert classifier.predict(UNSEEN["text"]) == named


@pytest.mark.slow
def test_a_saved_copy_says_the_same_to_the_byte(trained: tuple[Any, Path], tmp_path: Path) -> None:
    classifier = sememe.Classifier(trained[1], precision="f32")
    classifier.save(tmp_path / "copy")
    again = sememe.Classifier(tmp_path / "copy", precision="f32")
    first, second = (c.predict_proba(UNSEEN["text"]).tobytes() for c in (classifier, again))
    assert first == second
    assert classifier.fingerprint == again.fingerprint
    with pytest.raises(sememe.errors.InputError, match="new or empty folder"):
        classifier.save(tmp_path / "copy")


def test_the_outcome_is_written_beside_it(trained: tuple[Any, Path]) -> None:
    done, output = trained
    said = json.loads((output / "training.json").read_text())
    assert said["verdict"] == done.verdict
    assert said["metric"] == "accuracy"
    assert "macro F1" in said["further"]
    assert (output / "training.html").exists() == (output.name != "probe")
    against = "the most frequent label" if output.name == "probe" else "by the probe"
    assert against in done.verdict
    assert [path.name for path in output.parent.iterdir()] == [output.name], "nothing is left"


@pytest.mark.slow
def test_its_figures_are_those_of_the_examples_held_out(
    trained_by: Callable[[str], tuple[Any, Path]],
) -> None:
    done, output = trained_by("few-shot")
    found = sememe.Classifier(output).predict(DEV["text"])
    assert done.after.value == pytest.approx(accuracy_score(DEV["label"], found))
    (f1,) = done.further
    assert f1.value == pytest.approx(f1_score(DEV["label"], found, average="macro"))
    probed = sememe.Classifier(trained_by("probe")[1]).predict(DEV["text"])
    assert done.before.value == pytest.approx(accuracy_score(DEV["label"], probed))


@pytest.mark.slow
def test_what_learns_nothing_is_not_called_better(shallow: Tiny, tmp_path: Path) -> None:
    data = labelled_texts(20)
    data["label"] = list(np.random.default_rng(0).permutation(data["label"]))
    assert not train(shallow, tmp_path / "p", "probe", data=data).better
    done = train(shallow, tmp_path / "f", "few-shot", data=data, epochs=2)
    assert done.verdict.startswith(("Not shown to be better", "Worse")), done.verdict


@pytest.mark.slow
def test_auto_keeps_the_probe_where_nothing_is_better(shallow: Tiny, tmp_path: Path) -> None:
    with pytest.warns(sememe.errors.ChoiceWarning, match="few-shot was tried; Not shown"):
        done = train(shallow, tmp_path / "c", "auto", epochs=0.5, learning_rate=1e-7)
    assert json.loads((tmp_path / "c" / "classifier.json").read_text())["how"] == "probe"
    assert "by the probe" in done.verdict


@pytest.mark.slow
def test_auto_takes_few_shot_where_it_is_better(tmp_path: Path) -> None:
    # Of two dimensions drawn at random a probe can make little.
    bert = random_bert(num_hidden_layers=1)
    flat = make_checkpoint(tmp_path / "flat", bert=bert, head=[Linear(2, "Identity"), "normalize"])
    options = {"epochs": 8, "batch_size": 16, "learning_rate": 5e-3}
    data, dev = labelled_texts(20), labelled_texts(40, seed=5)
    with pytest.warns(sememe.errors.ChoiceWarning, match=r"few-shot \(few-shot was tried; Better"):
        done = train(flat, tmp_path / "c", "auto", data=data, dev=dev, **options)
    assert done.better, done.verdict
    assert "by few-shot" in done.verdict
    # The figures are of the half of the examples that chose nothing.
    judged, _ = split(load(dev, like=load(data)), 60, 0)
    assert "on 60 examples held out, by which nothing was chosen" in done.verdict
    classifier = sememe.Classifier(tmp_path / "c")
    right = [
        label == judged.labels[place]
        for label, place in zip(
            classifier.predict(texts_of(judged)), np.asarray(judged.targets), strict=True
        )
    ]
    assert done.last.values.tolist() == right
    assert done.after.value == pytest.approx(np.mean(right))


def texts_of(examples: Any) -> list[str]:
    return [example.texts[0] for example in examples]


@pytest.mark.slow
def test_auto_of_few_examples_held_out_is_a_probe(shallow: Tiny, tmp_path: Path) -> None:
    with pytest.warns(sememe.errors.ChoiceWarning, match="7 examples are held out, too few to sh"):
        train(shallow, tmp_path / "c", "auto", data=labelled_texts(12))
    assert json.loads((tmp_path / "c" / "classifier.json").read_text())["how"] == "probe"


@pytest.mark.slow
@pytest.mark.parametrize(
    "labels",
    [["energy"] * 4, ["energy", "school", "travel"]],
    ids=["one label", "one each"],
)
def test_what_is_measured_on_may_lack_labels(
    shallow: Tiny, tmp_path: Path, labels: list[str]
) -> None:
    texts = ["nuclear power wind", "teacher child book", "train bus road", "solar power wind"]
    dev = {"text": texts[: len(labels)], "label": labels}
    done = train(shallow, tmp_path / "c", "probe", dev=dev)
    assert len(done.last.values) == len(labels)


@pytest.mark.slow
def test_a_dataframe_is_columns(shallow: Tiny, tmp_path: Path) -> None:
    frame = pd.DataFrame(labelled_texts(8))
    done = train(shallow, tmp_path / "c", "probe", data=frame, dev=frame.sample(6, random_state=0))
    assert len(done.last.values) == 6


@pytest.mark.slow
def test_without_examples_to_measure_on_auto_is_a_probe_of_all(
    shallow: Tiny, tmp_path: Path
) -> None:
    done = train(shallow, tmp_path / "c", "auto", dev="none")
    assert done.better is None
    assert "Nothing was held out" in done.verdict


@pytest.mark.slow
def test_two_labels_have_a_row_each(shallow: Tiny, tmp_path: Path) -> None:
    data = labelled_texts(20)
    kept = [i for i, label in enumerate(data["label"]) if label != "travel"]
    train(shallow, tmp_path / "c", "probe", data={k: [v[i] for i in kept] for k, v in data.items()})
    classifier = sememe.Classifier(tmp_path / "c", precision="f32")
    found = classifier.predict_proba(["nuclear power", "a teacher and a child"])
    assert found.shape == (2, 2)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)
    assert classifier.predict(["nuclear wind power", "teacher child music"]) == ["energy", "school"]


@pytest.mark.slow
@pytest.mark.parametrize("how", list(QUICK))
def test_a_regular_transformer_is_pooled_by_its_mean(tmp_path: Path, how: str) -> None:
    bert = random_bert(num_hidden_layers=1)
    plain = make_checkpoint(tmp_path / "plain", bert=bert, layout="plain")
    train(plain, tmp_path / "c", how, data=FEW, epochs=1)
    opened = SentenceTransformer(str(tmp_path / "c"), device="cpu")
    assert opened[1].pooling_mode == "mean"
    sememe.Classifier(tmp_path / "c", precision="f32").predict(["a"])


@pytest.mark.slow
@pytest.mark.parametrize("head", [[], ["normalize"], [Linear(8), "normalize"]])
def test_fine_tuning_begins_at_the_probe(tmp_path: Path, head: list[Any]) -> None:
    bert = random_bert(num_hidden_layers=1)
    start = make_checkpoint(tmp_path / "start", bert=bert, head=head)
    done = train(start, tmp_path / "c", "fine-tune", epochs=0.2, learning_rate=1e-12)
    assert done.comparison.difference == 0
    assert done.after.value > 0.5


@pytest.mark.slow
def test_one_seed_gives_one_classifier(shallow: Tiny, tmp_path: Path) -> None:
    for name in ("a", "b"):
        train(shallow, tmp_path / name, "few-shot", data=FEW, epochs=1)
    first, second = ((tmp_path / n / "classifier.safetensors").read_bytes() for n in ("a", "b"))
    assert first == second


@pytest.mark.parametrize(("noise", "best"), [(0.5, 10.0), (3.0, 1.0)])
def test_the_penalty_is_that_of_a_search_in_cross_validation(noise: float, best: float) -> None:
    random = np.random.default_rng(0)
    targets = np.arange(60, dtype=np.int32) % 3
    vectors = np.eye(3, 8)[targets] + noise * random.normal(size=(60, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1)[:, None]).astype(np.float32)
    *_, c = training.fit_probe(vectors, targets, seed=1)
    rows = np.random.default_rng(1).permutation(60)
    folds = StratifiedKFold(2, shuffle=True, random_state=1)
    grid = {"C": [0.1, 1.0, 10.0, 100.0]}
    search = GridSearchCV(LogisticRegression(), grid, scoring="neg_log_loss", cv=folds)
    assert c == search.fit(vectors[rows], targets[rows]).best_params_["C"] == best
