"""MTEB itself, on small local tasks: its figures are those of `evaluate`.

Its import takes seconds, which only the process that runs these tests pays.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sememe
from sememe import BiEncoder
from sememe.errors import InputError
from tiny_models import make_cross_encoder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.usefixtures("mteb"),
]

WORDS = ["power", "wind", "solar", "bus", "train", "road", "school", "book", "film", "city"]
FIRST = [f"the {a} and the {b}" for a in WORDS for b in WORDS[:3]]
SECOND = [f"a {b} or a {a}" for a in WORDS for b in WORDS[4:7]]
SCORES = [(7 * i) % 11 / 10 for i in range(len(FIRST))]
CORPUS: dict[str, Any] = {"_id": [f"d{i}" for i in range(30)], "text": SECOND}
QUERIES: dict[str, Any] = {"_id": [f"q{i}" for i in range(20)], "text": FIRST[:20]}
QRELS: dict[str, Any] = {
    "query-id": QUERIES["_id"] * 2,
    "corpus-id": [f"d{i}" for i in range(20)] + [f"d{(3 * i) % 30}" for i in range(20)],
    "score": [1] * 40,
}


@pytest.fixture(scope="module")
def mteb() -> Any:
    return pytest.importorskip("mteb")


def as_mteb(model: Any) -> Any:
    return import_module("sememe.integrations.mteb").as_mteb(model)


def mock_task(kind: str, name: str) -> Any:
    """One of the small tasks that MTEB tests itself with, still without data."""
    return getattr(import_module(f"mteb.mocks.mock_tasks.{kind}"), f"Mock{name}Task")()


def columns(table: dict[str, Any]) -> Any:
    return import_module("datasets").Dataset.from_dict(table)


def parts(**tables: dict[str, Any]) -> Any:
    made = {name: columns(table) for name, table in tables.items()}
    return import_module("datasets").DatasetDict(made)


def scores_of(model: Any, task: Any) -> dict[str, float]:
    """MTEB's figures of a model on a task whose data are set."""
    mteb = import_module("mteb")
    task.data_loaded = True
    task.load_data = lambda *_, **__: None
    results = mteb.evaluate(model, task, cache=None, show_progress_bar=False, co2_tracker=False)
    (row,) = results.task_results[0].scores["test"]
    figures: dict[str, float] = row
    return figures


@pytest.fixture
def model(encoder: BiEncoder) -> Any:
    return as_mteb(encoder)


def test_similarity(model: Any, encoder: BiEncoder) -> None:
    data = {"sentence1": FIRST, "sentence2": SECOND, "score": SCORES}
    task = mock_task("sts", "STS")
    task.dataset = parts(test=data)
    found = scores_of(model, task)
    figures = sememe.evaluate(encoder, data).rows[0].figures
    assert found["cosine_spearman"] == pytest.approx(figures["Spearman"].value, abs=1e-6)
    assert found["cosine_pearson"] == pytest.approx(figures["Pearson"].value, abs=1e-6)


def split_of_retrieval(top_ranked: Any) -> dict[str, Any]:
    corpus = {"id": CORPUS["_id"], "text": SECOND, "title": [""] * 30}
    relevant: dict[str, dict[str, int]] = {}
    for query, document in zip(QRELS["query-id"], QRELS["corpus-id"], strict=True):
        relevant.setdefault(str(query), {})[str(document)] = 1
    data = {
        "corpus": columns(corpus),
        "queries": columns({"id": QUERIES["_id"], "text": QUERIES["text"]}),
        "relevant_docs": relevant,
        "top_ranked": top_ranked,
    }
    return {"default": {"test": data, "val": data}}


def test_retrieval(model: Any, encoder: BiEncoder) -> None:
    task = mock_task("retrieval", "Retrieval")
    task.dataset = split_of_retrieval(None)
    found = scores_of(model, task)
    data = {"corpus": CORPUS, "queries": QUERIES, "qrels": QRELS}
    figures = sememe.evaluate(encoder, data).rows[0].figures
    # MTEB rounds to five places.
    assert found["ndcg_at_10"] == pytest.approx(figures["nDCG@10"].value, abs=1e-5)
    assert found["map_at_1000"] == pytest.approx(figures["MAP"].value, abs=1e-5)
    assert found["recall_at_10"] == pytest.approx(figures["recall@10"].value, abs=1e-5)


def test_reranking_by_a_cross_encoder(tmp_path: Path) -> None:
    make_cross_encoder(tmp_path / "cross")
    rows = [(q, f"d{(i + k) % 30}") for i, q in enumerate(QUERIES["_id"]) for k in range(5)]
    relevant = set(zip(QRELS["query-id"], QRELS["corpus-id"], strict=True))
    task = mock_task("reranking", "Reranking")
    top = {q: [document for query, document in rows if query == q] for q in QUERIES["_id"]}
    task.dataset = split_of_retrieval(top)
    found = scores_of(as_mteb(str(tmp_path / "cross")), task)
    text = dict(zip(CORPUS["_id"], SECOND, strict=True)) | dict(
        zip(QUERIES["_id"], QUERIES["text"], strict=True)
    )
    data = {
        "query": [text[q] for q, _ in rows],
        "document": [text[d] for _, d in rows],
        "label": [int(row in relevant) for row in rows],
    }
    assert 0 < found["map_at_1000"] < 1
    figures = sememe.evaluate(str(tmp_path / "cross"), data).rows[0].figures
    assert found["mrr_at_1000"] == pytest.approx(figures["MRR"].value, abs=1e-5)


def test_classes_by_mtebs_protocol(model: Any, encoder: BiEncoder) -> None:
    texts, labels = [*FIRST, *SECOND], [0] * 30 + [1] * 30
    part = {"text": texts, "label": labels}
    task = mock_task("classification", "Classification")
    task.dataset = parts(train=part, test=part)
    found = scores_of(model, task)
    split = {"text": texts * 2, "label": labels * 2, "split": ["train"] * 60 + ["test"] * 60}
    done = sememe.evaluate(encoder, split, task="classes", protocol="mteb")
    assert found["accuracy"] == pytest.approx(done.rows[0].main.value, abs=0.1)


def test_queries_and_documents_have_their_prompts(model: Any, encoder: BiEncoder) -> None:
    def batches() -> Iterator[dict[str, list[str]]]:
        yield {"text": FIRST[:2]}
        yield {"text": FIRST[2:3]}

    for role, encode in (
        ("query", encoder.encode_query), ("document", encoder.encode_document),
        (None, encoder.encode),
    ):  # fmt: skip
        found = model.encode(batches(), prompt_type=role)
        np.testing.assert_allclose(found, encode(FIRST[:3]), atol=1e-6)


def test_results_are_cached_by_the_fingerprint(model: Any, encoder: BiEncoder) -> None:
    assert model.mteb_model_meta.revision == encoder.fingerprint
    with pytest.raises(InputError, match="is no model"):
        as_mteb(3)
