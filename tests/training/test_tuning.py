"""A student tuned by a cross-encoder: its loss by hand, its proposals, and that it learns."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from test_distilling import OPINIONS, Scores, Words, made_texts

from sememe import BiEncoder, distill
from sememe.cascade.edges import Edges
from sememe.errors import InputError
from sememe.neighbors import normalized
from sememe.tables import read_table
from sememe.training.losses.loss import Outputs
from sememe.training.tuning import NeighborhoodLoss, _proposals, _wanted
from tiny_models import Tiny

pytestmark = [
    pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning"),
    pytest.mark.filterwarnings("ignore::sememe.errors.CostWarning"),
]


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
    change = _wanted(edges, logits, vectors)[first, second] - cosines
    centred = edges.centered(logits)
    slope, height = np.polyfit(cosines, centred, 1)
    assert np.corrcoef(change, centred - slope * cosines - height)[0, 1] > 0.999
    same = _wanted(edges, np.zeros(len(edges)), vectors)[first, second]
    assert np.allclose(same, cosines, atol=1e-6), "a teacher of one score wants nothing else"


def test_proposals_are_the_nearest_and_some_of_those_behind_them() -> None:
    vectors = normalized(np.random.default_rng(2).normal(size=(200, 8)))
    edges = _proposals(vectors, 5)
    ranks = np.argsort(np.argsort(-(vectors @ vectors.T), axis=1), axis=1)  # a text itself is 0
    pairs = {*zip(edges.first.tolist(), edges.second.tolist(), strict=True)}
    assert len(pairs) == len(edges)
    for one, other in zip(*np.nonzero((ranks > 0) & (ranks <= 5)), strict=True):
        assert (min(one, other), max(one, other)) in pairs
    best = np.minimum(ranks[edges.first, edges.second], ranks[edges.second, edges.first])
    assert best.max() <= 20
    assert (best > 5).mean() > 0.2


@pytest.mark.slow
def test_a_teacher_of_topics_tunes_a_student(default_encoder: BiEncoder, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    table = read_table(OPINIONS)
    texts, topics = table.text_column("text")[::3], table.column("topic")[::3]
    topic_of = dict(zip(texts, topics, strict=True))
    read = []

    def rule(one: str, other: str) -> float:
        read.append((one, other))
        return 3.0 if topic_of[one] == topic_of[other] else -3.0

    done = distill(
        texts, tmp_path / "s", teacher=Scores(rule), student=default_encoder, how="tune",
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
