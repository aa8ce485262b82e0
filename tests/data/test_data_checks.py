"""Bad training data: one line that says what is wrong, where, and what to do."""

import gc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]
import pytest

from sememe.data import load
from sememe.data.checks import positive_label
from sememe.errors import (
    BlankWarning,
    ChoiceWarning,
    InputError,
    SememeError,
    SememeWarning,
    TableError,
)
from sememe.tables import write_table

NAN = float("nan")
SEVERAL = "several labels for one text are not supported"
TRIPLETS = {"anchor": list("abcd"), "positive": list("efgh"), "negative": list("ijkl")}
SCORED: dict[str, list[Any]] = {
    "sentence1": list("abcd"), "sentence2": list("efgh"), "score": [0, 0.5, 1, 0.25],
}  # fmt: skip
LABELLED: dict[str, list[Any]] = {"text": list("abcd"), "label": ["x", "y", "x", "y"]}


def refusal(data: object, kind: type[SememeError], **options: Any) -> str:
    with pytest.raises(kind) as caught:
        load(data, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def changed(data: dict[str, list[Any]], column: str, row: int, value: object) -> dict[str, Any]:
    return {**data, column: [value if i == row else old for i, old in enumerate(data[column])]}


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_the_line_is_named_in_every_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"pairs.{suffix}"
    write_table(path, changed(SCORED, "score", 2, None))
    place = {"csv": "line 4", "jsonl": "line 3", "parquet": "row 3"}[suffix]
    assert refusal(path, TableError) == (
        f'{path}, {place}: "score" is missing; give it a number, or remove the row'
    )


def test_data_that_are_refused_leave_no_file_open() -> None:
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        refusal(changed(SCORED, "score", 2, None), TableError)
        gc.collect()
    assert notes == []


@pytest.mark.parametrize("blank", ["  ", None, NAN, pd.NA])
def test_a_row_with_a_blank_text_is_left_out_with_one_note(blank: object) -> None:
    whole = {name: values * 2 for name, values in SCORED.items()}
    data = changed(changed(whole, "sentence2", 2, blank), "sentence1", 4, blank)
    with pytest.warns(BlankWarning) as notes:
        examples = load(data)
    assert [str(note.message) for note in notes] == [
        'the data: 2 of 8 cells of "sentence1 or sentence2" are blank (index 2, index 4) and left '
        "out"
    ]
    kept = [0, 1, 3, 5, 6, 7]
    assert [each.texts[0] for each in examples] == [whole["sentence1"][i] for i in kept]
    assert examples.targets == pytest.approx([whole["score"][i] for i in kept])
    assert examples.where(2) == "the data, index 3"


def test_texts_that_are_all_blank_are_refused() -> None:
    blank = {**SCORED, "sentence1": [" "] * len(SCORED["score"])}
    with pytest.warns(BlankWarning):
        assert "0 rows; training needs at least 4" in refusal(blank, InputError)


def test_a_bad_row_far_down_a_file(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    scores = [i % 5 / 4 for i in range(10_000)]
    texts = [f"text {i}" for i in range(10_000)]
    write_table(path, {"query": texts, "document": texts, "score": [*scores[:-1], "a lot"]})
    assert f"{path}, line 10001: \"score\" is 'a lot', not a number" in refusal(path, TableError)


@pytest.mark.parametrize(
    ("data", "column", "value", "found"),
    [
        (SCORED, "sentence1", 7, "is 7, not a text; give it a text, or remove the row"),
        (SCORED, "sentence1", "half \ud83d", "has half of a surrogate pair; give it a whole text"),
        (SCORED, "score", None, "is missing; give it a number"),
        (SCORED, "score", "", "is missing; give it a number"),
        (SCORED, "score", NAN, "is missing; give it a number"),
        (SCORED, "score", float("inf"), "is inf, not a number"),
        (SCORED, "score", "0,5", "is '0,5', not a number"),
        (LABELLED, "label", None, "is missing; give it a label"),
        (LABELLED, "label", NAN, "is missing; give it a label"),
        (LABELLED, "label", pd.NA, "is missing; give it a label"),
        (LABELLED, "label", " ", "is missing; give it a label"),
        (LABELLED, "label", [0, 1], f"is of type list, [0, 1]; {SEVERAL}; give it one label"),
        (LABELLED, "label", ("x",), f"is of type tuple, ('x',); {SEVERAL}"),
        (LABELLED, "label", {"x": 1}, f"is of type dict, {{'x': 1}}; {SEVERAL}"),
        (LABELLED, "label", np.array([0, 1]), f"is of type ndarray, array([0, 1]); {SEVERAL}"),
        (LABELLED, "label", b"x", "is of type bytes, b'x'; give it one label, as a str"),
        (LABELLED, "label", 1e-5, "is 1e-05, a fraction and not a class"),
        (LABELLED, "label", 3.8, "is 3.8, a fraction and not a class; give it a class, call the"),
        (LABELLED, "label", "3.80", "is 3.80, a fraction and not a class"),
        (TRIPLETS, "negative", "c", 'is the same text as "anchor"; give it another text'),
        (TRIPLETS, "negative", "g", 'is the same text as "positive"; give it another text'),
    ],
)
def test_a_value_that_cannot_be_used(
    data: dict[str, list[Any]], column: str, value: object, found: str
) -> None:
    said = refusal(changed(data, column, 2, value), TableError)
    assert said.startswith(f'the data, index 2: "{column}" {found}')
    assert said.endswith(("or remove the row", "or remove the index"))


def test_the_second_negative_is_checked_too() -> None:
    data = {**TRIPLETS, "Negative_2": list("mnbo")}
    assert load(data).columns[-1] == "negative_2"
    data["Negative_2"][1] = "b"
    assert 'index 1: "Negative_2" is the same text as "anchor"' in refusal(data, TableError)


def test_a_teachers_score_that_is_missing() -> None:
    data = {**TRIPLETS, "positive_score": [9, 8, 7, 6.5], "negative_score": [1, 2, None, 3]}
    assert 'index 2: "negative_score" is missing' in refusal(data, TableError)


def test_three_rows() -> None:
    data = {name: values[:3] for name, values in TRIPLETS.items()}
    assert refusal(data, InputError) == "the data: 3 rows; training needs at least 4"


@pytest.mark.parametrize("score", [0, 0.5, 5])
def test_scores_that_are_all_the_same(score: float) -> None:
    said = refusal({**SCORED, "score": [score] * 4}, InputError)
    assert said == f"the data: every score is {score:g}: nothing to learn"


def test_labels_that_are_all_the_same() -> None:
    said = refusal({**LABELLED, "label": ["x"] * 4}, InputError)
    assert said == 'the data: every label is "x"; at least two are needed'


def test_a_label_with_one_example() -> None:
    said = refusal(changed(LABELLED, "label", 0, "z"), InputError)
    assert said == (
        "the data: of 3 labels 2 have one example only, so that nothing can be held out to measure "
        'on: "x", "z"; add examples, or remove those rows'
    )
    many = {"text": list("abcdefg"), "label": [3, 5, 4, 11, 10, 0, 0]}
    assert '5 have one example only, so that nothing can be held out to measure on: "3", "4", "5", …;' in refusal(many, InputError)  # fmt: skip # noqa: E501


# ----- what scores are taken for


@pytest.mark.parametrize(
    ("scores", "targets"),
    [
        ([0, 0.5, 1, 0.25], [0, 0.5, 1, 0.25]),
        (["0", "1e-1", " 1 ", "0.25"], [0, 0.1, 1, 0.25]),
        ([-1, 0, 0.5, 1.0000001], [-1, 0, 0.5, 1]),
        ([False, True, True, False], [0, 1, 1, 0]),
    ],
)
def test_scores_to_1_stay_as_they_are(scores: list[Any], targets: list[float]) -> None:
    assert [each.target for each in load({**SCORED, "score": scores})] == pytest.approx(targets)


def test_scores_to_5_are_divided_and_that_is_said() -> None:
    with pytest.warns(ChoiceWarning, match=r"go from 1 to 5; they were read as 0 to 5 .* 0 5"):
        examples = load({**SCORED, "score": [1, 5, 2.5, 4]})
    assert [each.target for each in examples] == pytest.approx([0.2, 1, 0.5, 0.8])


@pytest.mark.parametrize(
    ("scores", "index"), [([0, 1, 100, 5], 2), ([4, 1, -2, 5], 2), ([-2, 0, 0, 1], 0)]
)
def test_a_scale_that_is_not_known(scores: list[float], index: int) -> None:
    said = refusal({**SCORED, "score": scores}, InputError)
    assert said.startswith(f"the data, index {index}: the score {scores[index]:g} is not from 0 to")
    assert f"scores of the data, {min(scores):g} to {max(scores):g}, are" in said
    assert "--score-range LOW HIGH (in Python, score_range=(low, high))" in said


def test_a_range_that_is_given() -> None:
    data = {**SCORED, "score": [1, 5, 3, 2]}
    examples = load(data, score_range=(1, 5))
    assert [each.target for each in examples] == pytest.approx([0, 1, 0.5, 0.25])
    assert load(SCORED, score_range=(-1, 1))[0].target == 0.5
    said = refusal(data, InputError, score_range=(1, 4))
    assert said.startswith("the data, index 1: the score 5 is not from 1 to 4; mend it, or say")
    for score_range in ((5, 1), 5, "05", (1, 2, 3)):
        assert "the lowest and the highest score" in refusal(
            data, InputError, score_range=score_range
        )


def test_a_teachers_scores_are_logits_and_stay_as_they_are() -> None:
    data = {**TRIPLETS, "negative_score": [-9, 2, 0.5, 3], "positive_score": [11.5, 8, 7, 6]}
    examples = load(data)
    assert examples.targets is not None
    assert examples.targets.dtype == np.float32
    assert examples.targets.tolist() == [[11.5, -9], [8, 2], [7, 0.5], [6, 3]]
    assert examples[2].target == (7, 0.5)


# ----- labels


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["b", "a", "b", "a"], ("a", "b")),
        ([10, 9, 10, 9], ("9", "10")),
        (["10", "-1", "10", "-1"], ("-1", "10")),
        ([1.0, 0.0, 1.0, 0.0], ("0", "1")),
        (["1.0", "0.0", "1.0", "0.0"], ("0", "1")),
        (np.array([1, 0, 1, 0]), ("0", "1")),
        (np.array([True, False, True, False]), ("False", "True")),
        ([True, False, True, False], ("False", "True")),
        (["z", "3", "z", "3"], ("3", "z")),
    ],
)
def test_labels_are_sorted_numbers_as_numbers(labels: Any, names: tuple[str, ...]) -> None:
    examples = load({"text": list("abcd"), "label": labels})
    assert examples.labels == names
    assert examples.targets is not None
    assert examples.targets.dtype == np.int32
    assert examples.targets.tolist() == [1, 0, 1, 0]
    assert examples.positive_label is None  # of texts, nothing is alike


@pytest.mark.parametrize(
    ("labels", "alike"),
    [
        (("0", "1"), 1), (("-1", "1"), 1), (("False", "True"), 1), (("No", "Yes"), 1),
        (("duplicate", "not_duplicate"), 0), (("equivalent", "not_equivalent"), 0),
        (("Not duplicate", "duplicate"), 1), (("non-paraphrase", "paraphrase"), 1),
        (("different", "same"), 1), (("0", "2"), None), (("a", "b"), None), (("0", "1", "2"), None),
        (("contradiction", "entailment", "neutral"), None),
    ],
)  # fmt: skip
def test_which_label_means_alike(labels: tuple[str, ...], alike: int | None) -> None:
    assert positive_label(labels) == alike


def test_labelled_pairs_know_which_label_means_alike() -> None:
    data = {"sentence1": list("abcd"), "sentence2": list("efgh"), "label": [1, 0, 0, 1]}
    assert load(data).positive_label == 1


# ----- what is odd, and said


def test_an_anchor_that_is_its_own_positive_is_said() -> None:
    data = {"anchor": list("abcd"), "positive": list("ebcf")}
    with pytest.warns(
        SememeWarning,
        match=r"2 of 4 rows .* the same text as .*the data, index 1",
    ):
        assert len(load(data)) == 4


def test_a_text_under_two_labels_is_said() -> None:
    data = {"text": list("abcab"), "label": ["x", "y", "x", "y", "y"]}
    with pytest.warns(
        SememeWarning,
        match=r"1 of 5 rows .* label .*data, index 3, after the data, index 0",
    ):
        load(data)


def test_pairs_are_contradictory_only_if_both_texts_are_the_same() -> None:
    data = {"premise": list("aabb"), "hypothesis": list("cdcd"), "label": [0, 1, 1, 0]}
    load(data)
    data = {"premise": list("aabb"), "hypothesis": list("ccdd"), "label": [0, 1, 1, 0]}
    with pytest.warns(SememeWarning, match=r"2 of 4 rows .* another label .*the data, index 1"):
        load(data)


# ----- what is measured on


def test_what_is_measured_on_may_lack_labels_and_has_the_places_of_training() -> None:
    known = load({"text": list("abcdef"), "label": ["x", "y", "z"] * 2})
    for labels, places in ((["z", "x"], [2, 0]), (["y", "y"], [1, 1])):
        dev = load({"text": ["g", "h"], "label": labels}, like=known)
        assert dev.labels == ("x", "y", "z")
        assert dev.targets is not None
        assert dev.targets.tolist() == places


def test_a_label_that_training_does_not_know_is_named(tmp_path: Path) -> None:
    path = tmp_path / "dev.csv"
    write_table(path, {"text": ["e", "f"], "label": ["x", "refund"]})
    said = refusal(path, TableError, like=load(LABELLED))
    assert said.startswith(f'{path}, line 3: "label" is "refund", a label that no training example')


def test_what_is_measured_on_is_of_the_same_kind_and_two_rows_at_least() -> None:
    known = load(LABELLED)
    said = refusal(SCORED, InputError, like=known)
    assert said.startswith("the data holds scored pairs, and the data labelled texts: what is meas")
    said = refusal({"text": ["e"], "label": ["x"]}, InputError, like=known)
    assert said == "the data: 1 row; measuring needs at least 2"
