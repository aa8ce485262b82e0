"""Texts in whatever holds a column: lists, arrays, Series of pandas and polars, Arrow's arrays."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import sememe
from sememe import BiEncoder, Classifier, CrossEncoder, Index
from sememe.data import load
from sememe.tables import read_table
from tiny_models import Tiny, make_cross_encoder

TEXTS = ["the wind is cheap", "a wind plant", "", "the school is new", "a wind plant"]


def polars_series(values: list[str]) -> Any:
    return pytest.importorskip("polars").Series("text", values)


CONTAINERS: dict[str, Callable[[list[str]], Any]] = {
    "tuple": tuple,
    "numpy": np.array,
    "pandas": lambda values: pd.Series(values, index=[10, 20, 30, 40, 50][: len(values)]),
    "pandas of Arrow": lambda values: pd.Series(values, dtype=pd.ArrowDtype(pa.string())),
    "categories": lambda values: pd.Series(values, dtype="category"),
    "polars": polars_series,
    "Arrow": pa.array,
    "large": lambda values: pa.array(values, pa.large_string()),
    "dictionary": lambda values: pa.array(values).dictionary_encode(),
    "chunks": lambda values: pa.chunked_array([values[:2], values[2:]], pa.string()),
}


@pytest.fixture(params=CONTAINERS)
def column(request: pytest.FixtureRequest) -> Callable[[list[str]], Any]:
    return CONTAINERS[request.param]


@pytest.fixture(scope="module")
def cross(tmp_path_factory: pytest.TempPathFactory) -> CrossEncoder:
    folder = tmp_path_factory.mktemp("models") / "cross"
    make_cross_encoder(folder)
    return CrossEncoder(folder, precision="f32")


@pytest.fixture(scope="module")
def classifier(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    folder = tmp_path_factory.mktemp("labels") / "c"
    data = {"text": [*TEXTS[:2], *TEXTS[3:], "a teacher"], "label": [*"aabab"]}
    sememe.train_classifier(data, folder, how="probe", model=tiny.directory, dev="none")
    return Classifier(folder)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sememe.errors.BlankWarning")
@pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning")
def test_every_face_takes_it(
    column: Callable[[list[str]], Any],
    encoder: BiEncoder,
    cross: CrossEncoder,
    classifier: Classifier,
    tmp_path: Path,
) -> None:
    texts = column(TEXTS)
    vectors = encoder.encode(TEXTS)
    np.testing.assert_array_equal(encoder.encode(texts), vectors)
    np.testing.assert_array_equal(encoder.encode_query(texts), encoder.encode_query(TEXTS))
    encoder.encode_to(texts, tmp_path / "v.npy")
    np.testing.assert_allclose(np.load(tmp_path / "v.npy"), vectors, atol=1e-6)
    assert sememe.find_pairs(texts, encoder, top=1).first.tolist() == [1]
    labels = sememe.cluster(texts, encoder, clusters=2).labels
    assert labels.tolist() == sememe.cluster(TEXTS, encoder, clusters=2).labels.tolist()
    assert cross.rank("wind", texts) == cross.rank("wind", TEXTS)
    assert list(classifier.predict(texts)) == list(classifier.predict(TEXTS))
    classifier.predict_to(texts, tmp_path / "l.jsonl")
    assert read_table(tmp_path / "l.jsonl").columns["text"] == TEXTS
    with Index.create(tmp_path / "i", encoder) as index:
        index.add(texts, ids=column([*"abcde"]))
        assert index.search_many(column(TEXTS[:2]), top_k=1) == [
            index.search(text, top_k=1) for text in TEXTS[:2]
        ]
    pairs = [(text, "the wind") for text in TEXTS if text]
    zipped = zip(column([a for a, _ in pairs]), column([b for _, b in pairs]), strict=True)
    np.testing.assert_array_equal(cross.score(zipped), cross.score(pairs))
    filled = [text for text in TEXTS if text]
    data = load({"text": column(filled), "label": column([*"abab"])})
    assert [example.texts[0] for example in data] == filled


@pytest.mark.filterwarnings("ignore::sememe.errors.BlankWarning")
def test_results_join_back_to_the_frame_of_a_series(
    encoder: BiEncoder, cross: CrossEncoder
) -> None:
    frame = pd.DataFrame({"text": TEXTS, "author": [*"abcde"]}, index=[7, 3, 9, 1, 5])
    pairs = sememe.find_pairs(frame["text"], encoder, top=2)
    table = pairs.to_frame()
    assert list(table) == ["first", "second", "score", "first_text", "second_text"]
    assert table.loc[0, ["first", "second"]].tolist() == [3, 5]
    assert table.join(frame["author"], on="first").loc[0, "author"] == "b"
    assert table.join(frame["author"], on="second").loc[0, "author"] == "e"
    ranking = cross.rank("wind", frame["text"])
    joined = frame.join(ranking.to_frame()["score"])
    np.testing.assert_allclose(joined["score"], cross.score([("wind", text) for text in TEXTS]))
    assert ranking.to_frame()["text"].tolist() == [one.text for one in ranking]


@pytest.mark.filterwarnings("ignore::sememe.errors.BlankWarning")
def test_results_of_other_texts_are_called_by_their_rows(
    encoder: BiEncoder, cross: CrossEncoder
) -> None:
    assert sememe.find_pairs(TEXTS, encoder, top=1).to_frame()["first"].tolist() == [1]
    ranking = cross.rank("wind", pa.array(TEXTS))
    assert ranking.to_frame().index.tolist() == [one.index for one in ranking]
