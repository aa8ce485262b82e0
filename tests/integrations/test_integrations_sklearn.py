"""scikit-learn: its own checks as far as they fit texts, and its pipelines and searches."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks as checks

from sememe import BiEncoder
from sememe.clustering import cluster
from sememe.errors import InputError
from sememe.integrations.sklearn import SentenceClusterer, SentenceVectorizer
from tiny_models import HIDDEN, Tiny, make_checkpoint

POWER = ["nuclear power is clean", "wind power is cheap", "solar energy is good", "new power plant"]
TRAVEL = ["the bus was poor", "a new train", "electric cars in the city", "the road to school"]
TEXTS, LABELS = [*POWER, *TRAVEL], ["power"] * 4 + ["travel"] * 4
# Those of scikit-learn's checks that do not hand numbers to an estimator.
CHECKS = [
    checks.check_estimator_cloneable,
    checks.check_estimator_tags_renamed,
    checks.check_valid_tag_types,
    checks.check_estimator_repr,
    checks.check_no_attributes_set_in_init,
    checks.check_do_not_raise_errors_in_init_or_set_params,
    checks.check_mixin_order,
    checks.check_parameters_default_constructible,
    checks.check_get_params_invariance,
    checks.check_set_params,
]


@pytest.fixture(scope="module")
def vectorizer(tiny: Tiny) -> SentenceVectorizer:
    return SentenceVectorizer(str(tiny.directory), precision="f32")


@pytest.mark.parametrize("kind", [SentenceVectorizer, SentenceClusterer])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_scikit_learn_s_own_checks_pass(kind: Any, check: Callable[[str, Any], None]) -> None:
    check(kind.__name__, kind())


def test_a_vectorizer_encodes_with_or_without_fit(
    vectorizer: SentenceVectorizer, encoder: BiEncoder
) -> None:
    found = vectorizer.transform(TEXTS)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, encoder.encode(TEXTS))
    np.testing.assert_array_equal(vectorizer.fit_transform(TEXTS, LABELS), found)


@pytest.mark.parametrize("make", [tuple, np.array, pd.Series, lambda t: np.array(t, dtype=object)])
def test_texts_may_come_in_any_column(
    vectorizer: SentenceVectorizer, make: Callable[[list[str]], Any]
) -> None:
    np.testing.assert_array_equal(vectorizer.transform(make(TEXTS)), vectorizer.transform(TEXTS))


@pytest.mark.parametrize("kind", [SentenceVectorizer, SentenceClusterer])
def test_what_is_no_column_of_texts_is_refused(kind: Any, tiny: Tiny) -> None:
    estimator = kind(str(tiny.directory), precision="f32")
    for wrong, message in (
        (pd.DataFrame({"text": TEXTS}), "X is a DataFrame: give one column of it"),
        (np.array([TEXTS]).T, r"X has the shape \(8, 1\): give one column"),
        (dict(enumerate(TEXTS)), "X is a dict: give its values"),
        ("a text", "single str"),
        (["a", None], r"X\[1\] is missing \(None\)"),
        (np.array([1.0, 2.0]), r"X\[0\] is of type float"),
    ):
        with pytest.raises(InputError, match=message):
            estimator.fit(wrong)


def test_options_reach_the_encoder(vectorizer: SentenceVectorizer, encoder: BiEncoder) -> None:
    other = clone(vectorizer).set_params(prompt_name="query", truncate_dim=8)
    expected = encoder.encode(TEXTS, prompt_name="query", truncate_dim=8)
    np.testing.assert_array_equal(other.transform(TEXTS), expected)
    assert vectorizer.transform(TEXTS).shape == (8, HIDDEN)


def test_features_have_names_and_become_a_table(vectorizer: SentenceVectorizer) -> None:
    names = vectorizer.get_feature_names_out()
    assert names.tolist() == [f"sentencevectorizer{i}" for i in range(HIDDEN)]
    short = clone(vectorizer).set_params(truncate_dim=8).set_output(transform="pandas")
    frame = short.fit_transform(pd.Series(TEXTS, index=range(10, 18)))
    assert list(frame.columns) == names[:8].tolist()


def test_it_classifies_in_a_pipeline_that_can_be_pickled(vectorizer: SentenceVectorizer) -> None:
    model = make_pipeline(vectorizer, LogisticRegression(C=100)).fit(TEXTS, LABELS)
    by_hand = LogisticRegression(C=100).fit(vectorizer.transform(TEXTS), LABELS)
    expected = by_hand.predict_proba(vectorizer.transform(TEXTS))
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(TEXTS), expected)
    assert len(pickle.dumps(vectorizer)) < 1000


def test_a_column_of_a_table_is_taken_by_its_name(vectorizer: SentenceVectorizer) -> None:
    table = pd.DataFrame({"text": TEXTS, "length": [len(text) for text in TEXTS]})
    columns = ColumnTransformer([("text", vectorizer, "text"), ("rest", "passthrough", ["length"])])
    found = columns.fit_transform(table)
    np.testing.assert_allclose(found[:, :HIDDEN], vectorizer.transform(TEXTS))
    assert columns.get_feature_names_out()[-1] == "rest__length"


def test_a_search_tries_models_and_options(vectorizer: SentenceVectorizer, tmp_path: Path) -> None:
    other = str(make_checkpoint(tmp_path, seed=1).directory)
    grid: dict[str, list[Any]] = {
        "sentencevectorizer__model": [vectorizer.model, other],
        "sentencevectorizer__truncate_dim": [None, 4],
    }
    pipeline = make_pipeline(vectorizer, LogisticRegression(C=100))
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise")
    search.fit(TEXTS, LABELS)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_params_["sentencevectorizer__model"] in grid["sentencevectorizer__model"]
    assert search.predict(TEXTS).shape == (8,)


def test_a_search_with_memory_encodes_what_it_trains_on_once_a_fold(
    vectorizer: SentenceVectorizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []

    def counted(self: SentenceVectorizer, X: Any, y: Any) -> Any:  # noqa: N803
        encoded.append(len(X))
        return self.fit(X, y).transform(X)

    monkeypatch.setattr(SentenceVectorizer, "fit_transform", counted)
    pipeline = make_pipeline(vectorizer, LogisticRegression(), memory=str(tmp_path))
    grid = {"logisticregression__C": [0.1, 1, 10, 100]}
    GridSearchCV(pipeline, grid, cv=2, refit=False, error_score="raise").fit(TEXTS, LABELS)
    assert encoded == [4, 4]


@pytest.mark.slow
def test_another_model_in_the_same_folder_is_opened_anew(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    vectorizer = SentenceVectorizer(str(make_checkpoint(folder).directory), precision="f32")
    before = vectorizer.transform(TEXTS)
    make_checkpoint(tmp_path / "other", seed=1).directory.replace(tmp_path / "later")
    folder.replace(tmp_path / "old")
    (tmp_path / "later").replace(folder)
    assert not np.allclose(vectorizer.transform(TEXTS), before)


@pytest.mark.slow
def test_a_clusterer_finds_what_cluster_finds(tiny: Tiny, encoder: BiEncoder) -> None:
    options: dict[str, Any]
    for options in ({"clusters": 2}, {"threshold": 0.4}, {"granularity": "fine"}, {}):
        clusterer = SentenceClusterer(str(tiny.directory), precision="f32", **options)
        labels = clusterer.fit_predict(TEXTS)
        expected = cluster(TEXTS, encoder, **options)
        np.testing.assert_array_equal(labels, expected.labels)
        assert clusterer.clusters_.to_dict() == expected.to_dict()
        assert pickle.loads(pickle.dumps(clusterer)).labels_.tolist() == labels.tolist()
        assert not hasattr(clone(clusterer), "labels_")


def test_two_grains_at_once_are_refused(tiny: Tiny) -> None:
    clusterer = SentenceClusterer(str(tiny.directory), precision="f32", clusters=2, threshold=0.5)
    with pytest.raises(InputError, match="clusters"):
        clusterer.fit(TEXTS)
