"""The kind of data, from the names of the columns and from nothing else."""

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sememe.data import hold_out, load
from sememe.data.reading import layout_of
from sememe.errors import BlankWarning, SememeError, TableError
from sememe.tables import write_table

TEXTS = {name: [f"{name} number {i}" for i in range(6)] for name in (
    "anchor", "positive", "negative", "negative_2", "negative_3", "sentence1", "sentence2",
    "premise", "hypothesis", "query", "document", "text",
)}  # fmt: skip
NUMBERS = {name: [0.5, 0, 1, 0.25, 0.75, 0.5 + i / 10] for i, name in enumerate((
    "score", "positive_score", "negative_score", "negative_2_score", "negative_3_score",
))}  # fmt: skip
LABELS = {"label": ["yes", "no", "yes", "no", "yes", "no"]}
VALUES: dict[str, Sequence[object]] = {**TEXTS, **NUMBERS, **LABELS}

KINDS = [
    ("pairs", "anchor positive", ""),
    ("pairs", "query document", ""),
    ("triplets", "anchor positive negative", ""),
    ("triplets", "anchor positive negative negative_2 negative_3", ""),
    ("taught triplets", "anchor positive negative", "positive_score negative_score"),
    ("taught triplets", "anchor positive negative negative_2",
     "positive_score negative_score negative_2_score"),
    ("scored pairs", "sentence1 sentence2", "score"),
    ("scored pairs", "query document", "score"),
    ("labelled pairs", "sentence1 sentence2", "label"),
    ("labelled pairs", "premise hypothesis", "label"),
    ("labelled texts", "text", "label"),
]  # fmt: skip


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize(("kind", "texts", "targets"), KINDS)
def test_every_kind_from_every_format_in_any_order(
    tmp_path: Path, suffix: str, kind: str, texts: str, targets: str
) -> None:
    names = texts.split() + targets.split()
    random.Random(suffix).shuffle(names)
    columns = {f" {name.upper()}" if i % 2 else name: VALUES[name] for i, name in enumerate(names)}
    path = tmp_path / f"data.{suffix}"
    write_table(path, {"id": list(range(6)), **columns, "split": ["train"] * 6})
    examples = load(path)
    assert (examples.kind, examples.columns) == (kind, tuple(texts.split()))
    assert len(examples) == 6
    for i, example in enumerate(examples):
        assert example.texts == tuple(f"{name} number {i}" for name in texts.split())
        if kind == "taught triplets":
            assert example.target == pytest.approx([NUMBERS[name][i] for name in targets.split()])
        elif kind == "scored pairs":
            assert example.target == NUMBERS["score"][i]
        elif "labelled" in kind:
            assert isinstance(example.target, int)
            assert examples.labels[example.target] == LABELS["label"][i]
        else:
            assert example.target is None
    assert examples.labels == (("no", "yes") if "labelled" in kind else ())


def test_negative_1_is_what_others_call_the_first_negative() -> None:
    layout = layout_of(["anchor", "positive", "negative_1", "negative_2"], "f")
    assert layout.texts["negative"] == ["negative_1"]
    assert layout.kind == "triplets"
    scores = ["positive_score", "negative_1_score"]
    assert layout_of(["anchor", "positive", "negative_1", *scores], "f").kind == "taught triplets"


@pytest.mark.parametrize(
    "names",
    [
        "anchor positive text label",
        "anchor positive sentence1 sentence2 score",
        "sentence1 sentence2 score label",
        "query document score label",
        "sentence1 hypothesis label",
        "sentence1 sentence2",
        "premise hypothesis",
        "anchor negative",
        "anchor positive negative_2",
        "anchor positive negative negative_3",
        "anchor positive label",
        "anchor positive score",
        "anchor positive positive_score",
        "anchor positive negative positive_score",
        "anchor positive negative negative_2 positive_score negative_score",
        "anchor query document",
        "text",
        "text score",
        "label",
        "sentence label",
        "one two",
    ],
)
def test_what_makes_no_one_kind_is_listed_with_what_would(names: str) -> None:
    with pytest.raises(TableError) as caught:
        layout_of(["id", *names.split()], "faq.csv")
    said = str(caught.value)
    listed = ", ".join(f'"{name}"' for name in names.split())
    assert said.startswith(f'faq.csv has the columns "id", {listed}. ')
    assert " Training reads these: anchor and positive, perhaps with negative, " in said
    assert said.endswith("; text and label.")
    assert "\n" not in said


OTHER_NAMES = ", or say which is which: --columns text=NAME,label=NAME (in Python, columns={...})"


@pytest.mark.parametrize(
    ("names", "advice"),
    [
        ("id text split score", 'To train on labelled texts, add "label" and rename or remove '
         f'"score"{OTHER_NAMES}.'),
        ("sentence1 sentence2", f'To train on scored pairs, add "score"{OTHER_NAMES}.'),
        ("anchor positive score", 'To train on pairs, rename or remove "score".'),
        ("anchor positive text label", "They fit pairs (anchor, positive) and labelled texts "
         "(text, label); keep the columns of one, and rename or remove the others."),
        ("id body", f"None of these names says what they hold; rename them{OTHER_NAMES}."),
    ],
)  # fmt: skip
def test_the_nearest_kind_is_named_with_what_it_lacks(names: str, advice: str) -> None:
    with pytest.raises(TableError) as caught:
        layout_of(names.split(), "f")
    assert f". {advice} Training reads" in str(caught.value)


@pytest.mark.parametrize(
    "names", [["text", "Text ", "label"], ["anchor", "positive", "negative", "negative_1"]]
)
def test_two_columns_of_one_meaning(names: list[str]) -> None:
    with pytest.raises(TableError, match=re.escape('f: the columns "') + ".* both mean .*; rename"):
        layout_of(names, "f")


def test_lines_of_text_are_no_training_data(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\nthree\nfour\n")
    with pytest.raises(TableError, match=r'a.txt has the columns "text". To train on lab.*"label"'):
        load(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("names", "roles", "texts", "targets"),
    [
        ("id question intent", "text=question label=intent", "question", "intent"),
        ("text question intent score", "text=question label=intent", "question", "intent"),
        ("q positive", "anchor=q", "q positive", ""),
        ("q a negative", "Anchor=q positive=a", "q a negative", ""),
        ("q a label query", "anchor=Q positive=a", "q a", ""),
        ("q a n", "anchor=q positive=a negative_1=n", "q a n", ""),
    ],
)
def test_columns_have_the_roles_that_the_user_gives_them(
    names: str, roles: str, texts: str, targets: str
) -> None:
    columns = dict(role.split("=") for role in roles.split())
    layout = layout_of(names.split(), "f", columns)
    assert [name for (name,) in layout.texts.values()] == texts.split()
    assert list(layout.targets.values()) == targets.split()


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        ({"text": "questions"}, 'f has no column "questions" (did you mean "question"?); its col'),
        ({"text": "question", "label": "question"}, "one column cannot be two; name it once"),
        ({"label": "intent"}, 'f has the columns "question", "intent". To train on'),
        ({"txt": "question"}, 'there is no "txt". Training reads these: anchor'),
        ({"text": 3}, 'columns={\'text\': 3}: give each its column, such as {"anchor": "que'),
        ({"text": []}, "give text one column; only texts can have several"),
        ({"label": ["intent", "question"]}, "give label one column; only texts can have several"),
        ({"text": ["question", "Question"]}, 'the column "question" is named twice'),
        (["question"], "columns=['question']: give each its column, such as"),
    ],
)
def test_roles_that_do_not_fit_are_told_with_the_columns(roles: Any, message: str) -> None:
    with pytest.raises(SememeError, match=re.escape(message)):
        layout_of(["question", "intent"], "f", roles)


def test_several_columns_are_one_text_without_their_blank_cells(tmp_path: Path) -> None:
    columns: dict[str, list[Any]] = {
        "title": ["A", "B", "", "D"],
        "body": ["a", None, "c", "d"],
        "label": [*"xyxy"],
    }
    write_table(tmp_path / "data.jsonl", columns)
    for data in (tmp_path / "data.jsonl", columns):
        examples = load(data, columns={"text": ["title", "body"]})
        assert [example.texts for example in examples] == [
            ("A\n\na",), ("B",), ("c",), ("D\n\nd",)
        ]  # fmt: skip
    columns["body"][2] = " "
    columns = {name: values * 2 for name, values in columns.items()}
    with pytest.warns(
        BlankWarning, match=r'2 of 8 cells of "title or body" are blank \(index 2, in'
    ):
        assert len(load(columns, columns={"text": ["title", "body"]})) == 6


def test_roles_are_used_for_files_frames_and_examples_to_measure_on(tmp_path: Path) -> None:
    table = {"question": [*"abcd"], "intent": ["x", "y"] * 2, "text": [*"efgh"]}
    write_table(tmp_path / "data.csv", table)
    roles = {"text": "question", "label": "intent"}
    examples = load(tmp_path / "data.csv", columns=roles)
    assert [example.texts[0] for example in examples] == [*"abcd"]
    _, held = hold_out(examples, table, columns=roles)
    assert held is not None
    assert [example.texts[0] for example in held] == [*"abcd"]
