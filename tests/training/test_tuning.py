"""A student tuned by a cross-encoder: its loss by hand, its proposals, and that it learns."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from test_distilling import OPINIONS, Scores, Words, made_texts

from sememe import BiEncoder, distill
from sememe.cascade.edges import Edges
from sememe.checkpoint import read
from sememe.costs import Budget
from sememe.data import load
from sememe.errors import InputError
from sememe.neighbors import normalized
from sememe.tables import read_table
from sememe.training.lessons import teacher_on
from sememe.training.losses.loss import Outputs
from sememe.training.proposals import Pool, by_words
from sememe.training.transformer_student import _cut
from sememe.training.tuning import NeighborhoodLoss, _target_cosines
from tiny_models import Tiny

pytestmark = [
    pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning"),
    pytest.mark.filterwarnings("ignore::sememe.errors.CostWarning"),
]


@pytest.fixture(scope="module")
def shallow(default_model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default model with two of its six layers: it learns as well, in a third of the time."""
    return _cut(read(default_model), 2, tmp_path_factory.mktemp("shallow") / "model").directory


def test_the_loss_moves_scored_pairs_and_holds_the_others() -> None:
    random = np.random.default_rng(0)
    before = normalized(random.normal(size=(6, 3)))
    after = random.normal(size=(4, 3)).astype(np.float32)  # of the rows 4, 1, 0 and 4 again
    rows = np.array([[4, 0], [1, 4]])  # two groups of two texts
    wanted = np.zeros((6, 6), np.float32)
    wanted[0, 4] = wanted[4, 0] = 0.9
    wanted[1, 4] = wanted[4, 1] = -0.4
    order = rows.T.ravel()
    unit = normalized(after)
    learned, held = [], []
    for i, one in enumerate(order):
        for j, other in enumerate(order):
            cosine = float(unit[i] @ unit[j])
            if wanted[one, other]:
                learned.append((cosine - wanted[one, other]) ** 2)
            elif one != other:
                held.append((cosine - float(before[one] @ before[other])) ** 2)
    loss = NeighborhoodLoss(csr_array(wanted), before)
    columns = [torch.from_numpy(after[:2]), torch.from_numpy(after[2:])]
    value = loss(Outputs(columns, torch.from_numpy(rows), torch.zeros(2, 2)))
    assert float(value) == pytest.approx(np.mean(learned) + np.mean(held), abs=1e-5)


def test_pairs_that_the_teacher_puts_higher_are_wanted_closer() -> None:
    random = np.random.default_rng(1)
    vectors = normalized(random.normal(size=(30, 5)))
    first, second = np.triu_indices(30, 1)
    edges = Edges(first, second, 30)
    cosines = edges.products(vectors, vectors)
    logits = 3 * cosines + random.normal(size=len(edges))
    change = _target_cosines(edges, logits, vectors)[first, second] - cosines
    centred = edges.centered(logits)
    slope, height = np.polyfit(cosines, centred, 1)
    assert np.corrcoef(change, centred - slope * cosines - height)[0, 1] > 0.999
    same = _target_cosines(edges, np.zeros(len(edges)), vectors)[first, second]
    assert np.allclose(same, cosines, atol=1e-6), "a teacher of one score wants nothing else"


def no_edges(count: int) -> Edges:
    return Edges(np.empty(0, np.int64), np.empty(0, np.int64), count)


def test_proposals_are_the_nearest_and_some_of_those_behind_them() -> None:
    vectors = normalized(np.random.default_rng(2).normal(size=(200, 8)))
    texts = [str(row) for row in range(200)]
    pool = Pool(texts, texts, vectors, 0, no_edges(200))
    edges, size = pool.proposals(vectors), pool.size
    ranks = np.argsort(np.argsort(-(vectors @ vectors.T), axis=1), axis=1)  # a text itself is 0
    pairs = {*zip(edges.first.tolist(), edges.second.tolist(), strict=True)}
    assert len(pairs) == len(edges)
    for one, other in zip(*np.nonzero((ranks > 0) & (ranks <= size)), strict=True):
        assert (min(one, other), max(one, other)) in pairs
    best = np.minimum(ranks[edges.first, edges.second], ranks[edges.second, edges.first])
    assert best.max() <= 4 * size
    assert (best > size).mean() > 0.2


def test_queries_are_paired_with_documents_alone() -> None:
    """The nearest, some behind them, and those that words or chance propose."""
    vectors = normalized(np.random.default_rng(3).normal(size=(90, 8)))
    texts = [str(row) for row in range(90)]
    farthest = 30 + (vectors[:30] @ vectors[30:].T).argmin(1)
    pool = Pool(texts, texts, vectors, 30, Edges(np.arange(30), farthest, 90))
    edges = pool.proposals(vectors)
    assert edges.first.max() < 30 <= edges.second.min()
    pairs = {*zip(edges.first.tolist(), edges.second.tolist(), strict=True)}
    best = 30 + np.argsort(-(vectors[:30] @ vectors[30:].T), axis=1)
    for query in range(30):
        assert {(query, document) for document in best[query, : pool.size].tolist()} < pairs
        assert (query, int(farthest[query])) in pairs
    assert pool.count(Budget.parse("3n")) == 90


def test_words_propose_the_documents_that_bm25_ranks_first() -> None:
    documents = [text.split() for text in made_texts(60)]
    queries = [*made_texts(90)[60:], "zebra"]
    mean = np.mean([*map(len, documents)])

    def score(query: str, document: list[str]) -> float:
        total = 0.0
        for word in {*query.split()}:
            having = sum(word in other for other in documents)
            rarity = np.log(1 + (60 - having + 0.5) / (having + 0.5))
            norm = 1.2 * (0.25 + 0.75 * len(document) / mean)
            total += rarity * document.count(word) * 2.2 / (document.count(word) + norm)
        return total

    rows, places = by_words(queries, [" ".join(words) for words in documents], 5)
    assert rows.max() < 30, "nothing has the last query's word"
    for row, query in enumerate(queries[:-1]):
        scores = [score(query, words) for words in documents]
        best = np.sort([value for value in scores if value])[::-1][:5]
        assert np.allclose([scores[place] for place in places[rows == row]], best, atol=1e-5)


@pytest.mark.slow
def test_a_teacher_of_topics_tunes_a_student(shallow: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    table = read_table(OPINIONS)
    texts, topics = table.text_column("text")[::3], table.column("topic")[::3]
    topic_of = dict(zip(texts, topics, strict=True))
    read = []

    def rule(one: str, other: str) -> float:
        read.append((one, other))
        return 3.0 if topic_of[one] == topic_of[other] else -3.0

    done = distill(
        texts, tmp_path / "s", teacher=Scores(rule), student=shallow, how="tune",
        budget="4n",
    )  # fmt: skip
    assert done.comparison is not None
    assert done.comparison.difference > 0
    assert done.history.losses
    assert len(read) < 5 * len(texts) + 6 * 0.1 * len(texts)
    new = ["Nuclear power is dangerous!", "Schools should start later."]
    theirs = SentenceTransformer(str(tmp_path / "s"), device="cpu").encode(new)
    ours = BiEncoder(tmp_path / "s", precision="f32").encode(new)
    assert np.allclose(ours, theirs, atol=1e-5)


@pytest.mark.slow
def test_a_teacher_of_queries_and_documents_tunes_a_student(shallow: Path, tmp_path: Path) -> None:
    """It reads a query first, and no other pairs; the student reads both with its prompts."""
    table = read_table(OPINIONS)
    texts, topics = table.text_column("text"), table.column("topic")
    topic_of = dict(zip(texts, topics, strict=True))
    queries, corpus = texts[::3], texts[1::3]
    read = set()

    def rule(one: str, other: str) -> float:
        read.add((one, other))
        return 3.0 if topic_of[one] == topic_of[other] else -3.0

    BiEncoder(shallow).save(tmp_path / "prompted")
    config = tmp_path / "prompted" / "config_sentence_transformers.json"
    prompts = {"query": "question: ", "document": "answer: "}
    config.write_text(json.dumps({**json.loads(config.read_text()), "prompts": prompts}))
    options: dict[str, Any] = {"teacher": Scores(rule), "budget": "12n", "queries": queries}
    done = distill(corpus, tmp_path / "s", student=tmp_path / "prompted", how="tune", **options)
    assert done.comparison is not None
    assert done.comparison.difference > 0
    assert {one for one, _ in read} <= {*queries}
    assert {other for _, other in read} <= {*corpus}
    fewest = 12 * 0.9 * len(queries)
    assert len(read) < fewest + 6 * 0.1 * len(queries) + 1

    student, before = (BiEncoder(tmp_path / name, precision="f32") for name in ("s", "prompted"))
    assert student.prompts == before.prompts
    new, gold = texts[2::3], np.array(topics)
    right = gold[2::3][:, None] == gold[1::3]
    means = []
    for encoder in (before, student):
        cosines = encoder.encode_query(new) @ encoder.encode_document(corpus).T
        nearest = np.argsort(-cosines, axis=1)[:, :10]
        means.append(np.take_along_axis(right, nearest, axis=1).mean())
    assert means[1] > means[0]

    mapped = distill(corpus, tmp_path / "m", student=tmp_path / "prompted", how="map", **options)
    assert mapped.comparison is not None
    assert mapped.comparison.difference > 0
    with pytest.raises(InputError, match="queries= is for a cross-encoder"):
        distill(corpus, tmp_path / "v", teacher=shallow, queries=queries)
    with pytest.raises(InputError, match="3 different documents are too few"):
        distill(corpus[:3], tmp_path / "d", student=tmp_path / "prompted", **options)
    config.write_text(
        json.dumps({**json.loads(config.read_text()), "default_prompt_name": "query"})
    )
    with pytest.raises(InputError, match="has a default prompt"):
        distill(corpus, tmp_path / "p", student=tmp_path / "prompted", **options)


def test_a_teacher_that_is_ahead_on_few_labels_vouches_with_a_warning(encoder: BiEncoder) -> None:
    words, texts = Words(), made_texts(12)
    first, second = texts[::2], texts[1::2]

    def score(pairs: Any) -> Any:
        return np.array([float(np.prod(words.encode(list(pair)), axis=0).sum()) for pair in pairs])

    scores = ((score(zip(first, second, strict=True)) + 1) / 2).tolist()
    gold = load({"sentence1": first, "sentence2": second, "score": scores})
    teacher = SimpleNamespace(score=score)
    with pytest.warns(UserWarning, match="perhaps better than the student before: Spearman 100.0"):
        assert teacher_on(gold, teacher, encoder)[1]


@pytest.mark.slow
def test_who_is_not_trusted_needs_labels_that_vouch(tiny: Tiny, tmp_path: Path) -> None:
    words = Words()

    def rule(one: str, other: str) -> float:
        return float(np.prod(words.encode([one, other]), axis=0).sum())

    options: dict[str, Any] = {"teacher": Scores(rule), "how": "tune", "budget": "2n"}
    options |= {"student": tiny.directory}
    new = made_texts(500)[300:]
    first, second = new[::2], new[1::2]
    scores = [rule(*pair) for pair in zip(first, second, strict=True)]
    good = {"sentence1": first, "sentence2": second, "score": [(s + 1) / 2 for s in scores]}
    bad = {**good, "score": [(1 - s) / 2 for s in scores]}
    with pytest.raises(InputError, match=r"There is no student.*would vouch for it"):
        distill(made_texts(), tmp_path / "s", **options)
    with (
        pytest.warns(UserWarning, match="not better than the student before"),
        pytest.raises(InputError, match="There is no student"),
    ):
        distill(made_texts(), tmp_path / "s", dev=bad, **options)
    assert list(tmp_path.iterdir()) == []
    done = distill(made_texts(), tmp_path / "s", dev=good, **options)
    assert ("trust", "by labels") in [(choice.name, choice.value) for choice in done.choices]
