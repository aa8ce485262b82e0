"""The migration page is true: each of its rows is run in both libraries and compared."""

import ast
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentence_transformers
import torch
from numpy.testing import assert_allclose, assert_array_equal
from saved_models import make_classifier, open_bi

import sememe
from sememe.neighbors import Neighbors, nearest
from tiny_models import TEXTS, edit_json, make_checkpoint

PAGE = (Path(__file__).parents[2] / "docs" / "migration.md").read_text(encoding="utf-8")
Sides = tuple[dict[str, Any], dict[str, Any]]
ROW = re.compile(r"^\| `([^|]+)` \| `([^|]+)` \|", re.MULTILINE)
SECTIONS = dict(part.split("\n", 1) for part in PAGE.split("\n## ")[1:])
GIVEN = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, default_encoder: sememe.BiEncoder) -> Path:
    """The folder with the models that the page speaks of."""
    folder = tmp_path_factory.mktemp("models")
    default_encoder.save(folder / "my-model")
    prompts = {"query": "Question: ", "document": "Passage: "}
    edit_json(folder / "my-model" / "config_sentence_transformers.json", prompts=prompts)
    make_classifier(folder / "my-reranker")
    return folder


@pytest.fixture
def sides(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> Sides:
    """What each side knows, in a folder with the models."""
    monkeypatch.chdir(tmp_path)
    for model in models.iterdir():
        Path(model.name).symlink_to(model)
    theirs: dict[str, Any] = {**vars(sentence_transformers), "torch": torch}
    ours: dict[str, Any] = {"sememe": sememe, "nearest": nearest, "torch": torch}
    assert GIVEN is not None
    for names in (theirs, ours):
        exec(GIVEN[1], names)
    return theirs, ours


def run(code: str, names: dict[str, Any]) -> Any:
    """The value of an expression, or of the variable that is set."""
    (line,) = ast.parse(code).body
    if isinstance(line, ast.Assign):
        exec(code, names)
        return names[ast.unparse(line.targets[0])]
    return eval(code, names)


def assert_same(theirs: Any, ours: Any) -> None:
    if isinstance(theirs, torch.nn.Module):
        assert isinstance(ours, sememe.BiEncoder | sememe.CrossEncoder)
    elif isinstance(ours, Neighbors):
        assert_array_equal([[hit["corpus_id"] for hit in row] for row in theirs], ours.indices)
        assert_near([[hit["score"] for hit in row] for row in theirs], ours.similarity)
    elif isinstance(ours, list) and isinstance(ours[0], sememe.RankedDocument):
        for hit, our in zip(theirs, ours, strict=True):
            assert (hit["corpus_id"], hit.get("text", our.text)) == (our.index, our.text)
            assert_near(hit["score"], our.score)
    elif isinstance(ours, list):
        for one, our in zip(theirs, ours, strict=True):
            assert_same(one, our)
    elif isinstance(ours, str | None):
        assert theirs == ours
    else:
        assert np.shape(theirs) == np.shape(ours)
        assert_near(theirs, ours)


@pytest.mark.slow
def test_what_a_row_saves_is_the_same_model(sides: Sides) -> None:
    for left, right in [*rows("Bi-encoders"), *rows("Cross-encoders")]:
        run(left, sides[0])
        run(right, sides[1])
    for theirs, ours in (("their-copy", "our-copy"), ("our-copy", "their-copy")):
        vectors = sentence_transformers.SentenceTransformer(theirs, device="cpu").encode(TEXTS)
        assert_near(vectors, sememe.BiEncoder(ours, precision="f32").encode(TEXTS))
    pairs = [("What is tea?", text) for text in TEXTS]
    scores = sentence_transformers.CrossEncoder("our-reranker", device="cpu").predict(pairs)
    assert_near(scores, sememe.CrossEncoder("their-reranker", precision="f32").score(pairs))


def assert_near(theirs: Any, ours: Any) -> None:
    assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-5, atol=1e-5)


def rows(section: str) -> list[tuple[str, str]]:
    found = ROW.findall(SECTIONS[section])
    lines = [line for line in SECTIONS[section].splitlines() if line.startswith("| ")]
    assert len(found) == len(lines) - 1, "a row of the page is not understood"  # less its head
    return found


@pytest.mark.slow
@pytest.mark.parametrize("section", ["Bi-encoders", "Cross-encoders"])
def test_both_sides_of_a_row_give_the_same(section: str, sides: Sides) -> None:
    for left, right in rows(section):
        try:
            assert_same(run(left, sides[0]), run(right, sides[1]))
        except Exception as error:
            raise AssertionError(f"{left}  |  {right}") from error


@pytest.fixture
def opened(sides: Sides) -> Sides:
    """The sides after the first rows: both have their model and its vectors."""
    for left, right in rows("Bi-encoders")[:2]:
        run(left, sides[0])
        run(right, sides[1])
    return sides


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning")
def test_what_is_different_on_purpose_runs_all_the_same(opened: Sides) -> None:
    for left, right in rows("Different on purpose"):
        run(left, opened[0])
        run(right, opened[1])


# --- what the page says of the differences ---


@pytest.mark.slow
def test_int8_codes_depend_on_the_company_there_and_not_here(opened: Sides) -> None:
    theirs, ours = (
        [
            run(f"model.encode({some}, {argument}='int8')[0]", side)
            for some in ("texts", "texts[:2]")
        ]
        for argument, side in zip(("precision", "dtype"), opened, strict=True)
    )
    assert (theirs[0] != theirs[1]).any()
    assert_array_equal(ours[0], ours[1])


@pytest.mark.slow
def test_binary_there_is_ours_less_128(opened: Sides) -> None:
    theirs = run('util.quantization.quantize_embeddings(vectors, precision="binary")', opened[0])
    ours = run('model.encode(texts, dtype="binary")', opened[1])
    assert_array_equal(theirs.astype(int) + 128, ours)


@pytest.mark.slow
def test_truncated_vectors_have_length_1_here(opened: Sides) -> None:
    lengths = [
        np.linalg.norm(run("model.encode(texts, truncate_dim=128)", s), axis=1) for s in opened
    ]
    assert lengths[0].max() < 0.9
    assert_near(lengths[1], np.ones(4))


@pytest.mark.slow
def test_no_texts_have_a_dimension_here(opened: Sides) -> None:
    assert [run("model.encode([])", side).shape for side in opened] == [(0,), (0, 384)]


def test_a_passage_prompt_is_used_here(tmp_path: Path) -> None:
    make_checkpoint(tmp_path, prompts={"passage": "a book: "})
    theirs, ours = open_bi(tmp_path), sememe.BiEncoder(tmp_path, precision="f32")
    assert_near(theirs.encode_document("wind"), theirs.encode("wind"))
    assert_near(theirs.encode("wind", prompt_name="passage"), ours.encode_document("wind"))
