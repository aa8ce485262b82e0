"""What a run came to: a headline, and the examples whose answers changed, as its page has them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sememe.data import Examples, load
from sememe.evaluation.measures import Measurement, label_details, measure_bi, measure_cross
from sememe.evaluation.outcome import Choice, History, Outcome, write_outcome

ANGLES = {"a": 0.0, "b": 0.1, "c": 0.9, "d": 1.4, "e": 0.4, "f": 1.2, "g": 0.7, "h": 0.3}


def encode(texts: Any) -> NDArray[np.float64]:
    """Each letter has a direction, so that cosines are known."""
    return np.array([[np.cos(ANGLES[text]), np.sin(ANGLES[text])] for text in texts])


def turned(texts: Any) -> NDArray[np.float64]:
    """Another model: `d` has moved to where `a` is."""
    return encode(["a" if text == "d" else text for text in texts])


def labelled(labels: list[str]) -> Examples:
    return load({"text": [f"text {i}" for i in range(len(labels))], "label": labels})


def outcome_of(before: NDArray[Any], after: NDArray[Any]) -> Outcome:
    first, last = (Measurement("accuracy", np.mean, values) for values in (before, after))
    return Outcome(Path("x"), "t", [], "f32", History(), first, last)


def test_a_headline_is_at_most_six_words() -> None:
    random = np.random.default_rng(0)
    low, high = (random.random(200) < share for share in (0.3, 0.8))
    headlines = {
        outcome_of(low, high).headline: "Better by ",
        outcome_of(high, low).headline: "Worse by ",
        outcome_of(low, low).headline: "No measurable gain",
        Outcome(Path("x"), "t", [], "f32", History(), None, None).headline: "Not measured",
    }
    for headline, start in headlines.items():
        assert headline.startswith(start)
        assert len(headline.split()) <= 6
    points = 100 * abs(high.mean() - low.mean())
    assert f"Better by {points:.1f} points" in headlines


def test_pairs_are_told_by_their_place() -> None:
    pairs = {"sentence1": [*"aaaa"], "sentence2": [*"bced"], "score": [1, 0.5, 0.5, 0]}
    details = measure_bi(load(pairs), encode).details
    assert details is not None
    assert details.right == ["1 (score 1.00)", "2 (score 0.50)", "2 (score 0.50)", "4 (score 0.00)"]
    assert details.answers == ["1", "3", "2", "4"]
    assert details.merits.tolist() == [0, 0, 0, 0]  # two pairs share the second and third place
    details = measure_bi(load(pairs), turned).details
    assert details is not None
    assert details.answers[-1] == "1"
    assert details.merits.tolist() == [-1, -1, 0, -3]


def test_labelled_pairs_are_right_within_their_group() -> None:
    pairs = {"sentence1": [*"aaaa"], "sentence2": [*"bced"], "label": ["1", "0", "1", "0"]}
    details = measure_bi(load(pairs), encode, positive_label=1).details
    assert details is not None
    assert (details.right, details.merits.tolist()) == (["1", "0", "1", "0"], [0, 0, 0, 0])


def test_queries_are_told_by_ranks_and_triplets_by_margins() -> None:
    queries = load({"query": [*"aceg"], "document": [*"bdfh"]})
    details = measure_bi(queries, encode).details
    assert details is not None
    cosines = encode("aceg") @ encode("bdfh").T
    ranks = 1 + (cosines > np.diag(cosines)[:, None]).sum(1)
    assert details.answers == [str(rank) for rank in ranks]
    triplets = load({"anchor": [*"aceg"], "positive": [*"bdfh"], "negative": [*"dbad"]})
    details = measure_bi(triplets, encode).details
    assert details is not None
    margins = cosines.diagonal() - (encode("aceg") * encode("dbad")).sum(1)
    assert details.answers == [f"{margin:+.2f}" for margin in margins]


def test_labels_of_pairs_are_named() -> None:
    pairs = load({"premise": [*"abcdef"], "hypothesis": [*"bcdefa"], "label": [*"xyzxyz"]})
    logits = np.eye(3)[[0, 1, 2, 0, 1, 0]]
    details = measure_cross(pairs, lambda _: logits.copy()).details
    assert details is not None
    assert (details.right[-1], details.answers[-1]) == ("z", "x")
    assert details.merits.tolist() == [1, 1, 1, 1, 1, 0]


@pytest.mark.parametrize("n", [30, 8])
def test_the_page_shows_ten_that_changed_most(tmp_path: Path, n: int) -> None:
    examples = labelled(["x", "y"] * (n // 2))
    gold = np.asarray(examples.targets)
    before, after = (np.where(np.arange(n) < wrong, 1 - gold, gold) for wrong in (n - 2, 3))
    after[-1] = 1 - gold[-1]
    first, last = (
        Measurement("accuracy", np.mean, details.merits, details=details)
        for details in (label_details(examples, gold, places) for places in (before, after))
    )
    history = History([1.0, 0.5], [1e-3, 0.0], [(0, 0.1), (2, 0.8)], 1)
    run = Outcome(tmp_path, "title", [Choice("loss", "x", "why")], "f32", history, first, last)
    write_outcome(run, tmp_path)
    page = data_of(tmp_path / "training.html")
    assert page["changes"].startswith(f"{n - 5} of {n} became better, 1 worse; these changed most.")
    assert len(page["examples"]) == min(10, n - 4)
    assert page["examples"][0] == {
        "texts": ["text 3"], "right": "y", "before": "x", "after": "y", "is_better": True,
    }  # fmt: skip
    assert page["verdict"]["headline"] == run.headline
    assert page["verdict"]["after"][0] == pytest.approx(100 * (n - 4) / n)
    assert page["metric"]["mean"] == [10, 80]
    assert page["best"] == [2, 80]


def data_of(path: Path) -> dict[str, Any]:
    """What the page has for its script."""
    content = path.read_text(encoding="utf-8")
    start = content.index('type="application/json">') + len('type="application/json">')
    data: dict[str, Any] = json.loads(content[start : content.index("</script>", start)])
    return data


def test_the_prompt_shows_a_verdict_and_no_arrays() -> None:
    outcome = Outcome(Path("my-encoder"), "tiny on toys", [], "f32", History(), None, None)
    assert repr(outcome) == f"<Outcome: tiny on toys, in my-encoder. {outcome.verdict}>"
