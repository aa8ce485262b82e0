"""Labelled data become tasks by their columns; what cannot be measured is refused in one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from answers import Known

from sememe.errors import (
    BlankWarning,
    ChoiceWarning,
    InputError,
    SememeError,
    SememeWarning,
    TableError,
)
from sememe.evaluation.kinds import (
    PairTask,
    RerankingTask,
    RetrievalTask,
    TextTask,
    TripletTask,
)
from sememe.evaluation.tasks import load_task
from sememe.tables import write_table

N = 24
A, B = [f"a {i}" for i in range(N)], [f"b {i}" for i in range(N)]
SCORES, LABELS = [i / 10 for i in range(N)], [i % 2 for i in range(N)]
CORPUS = {"_id": ["d1", "d2", "d3"], "title": ["T", "", "T"], "text": ["one", "two", "three"]}
QUERIES = {"_id": [f"q{i}" for i in range(N)], "text": [f"query {i}" for i in range(N)]}
QRELS: dict[str, Any] = {
    "query-id": QUERIES["_id"],
    "corpus-id": ["d1", "d2", "d3"] * 8,
    "score": [2, 1, 1] * 8,
}
TABLES: dict[str, Any] = {"corpus": CORPUS, "queries": QUERIES, "qrels": QRELS}


# --- which kind ---


def test_columns_make_the_kind() -> None:
    task = load_task({"sentence1": A, "sentence2": B, "score": SCORES})
    assert isinstance(task, PairTask)
    assert (task.kind, len(task), task.pairs[1]) == ("similarity", N, ("a 1", "b 1"))
    assert task.gold.tolist() == SCORES
    task = load_task({"premise": A, "hypothesis": B, "label": LABELS})
    assert isinstance(task, PairTask)
    assert (task.kind, task.gold.tolist()) == ("pairs", LABELS)
    task = load_task({"Anchor": A, "positive": B, "negative": B[::-1], "negative_2": A[::-1]})
    assert isinstance(task, TripletTask)
    assert task.rows[0] == ("a 0", "b 0", "b 23", "a 23")


def test_answers_with_labels_are_reranking_and_without_them_retrieval() -> None:
    queries = [f"query {i // 2}" for i in range(2 * N)]
    answers = [f"answer {i}" for i in range(2 * N)]
    task = load_task({"query": queries, "answer": answers, "label": [1, 0] * N})
    assert isinstance(task, RerankingTask)
    assert (len(task), task.candidates[0]) == (N, ["answer 0", "answer 1"])
    assert task.grades[0].tolist() == [1, 0]
    task = load_task({"question": queries, "answer": answers})
    assert isinstance(task, RetrievalTask)
    assert (len(task), len(task.documents), task.grades[1]) == (N, 2 * N, {2: 1.0, 3: 1.0})
    columns = {"query": queries, "document": answers, "label": [1, 0] * N}
    assert load_task(columns, task="pairs").kind == "pairs"


def test_three_tables_are_retrieval_from_a_dict_or_a_folder(tmp_path: Path) -> None:
    task = load_task(TABLES)
    assert isinstance(task, RetrievalTask)
    assert task.documents == ["T three", "two", "T one"]
    assert (task.queries[0], task.grades[0]) == ("query 0", {2: 2.0})
    for name, columns in TABLES.items():
        path = tmp_path / ("qrels/test.tsv" if name == "qrels" else f"{name}.jsonl")
        path.parent.mkdir(exist_ok=True)
        write_table(path, columns)
    read = load_task(tmp_path)
    assert isinstance(read, RetrievalTask)
    assert (read.documents, read.queries, read.grades) == (
        task.documents,
        task.queries,
        task.grades,
    )


def test_texts_with_labels_are_two_kinds_and_the_user_says_which() -> None:
    columns = {"text": A, "label": LABELS}
    with pytest.raises(TableError, match="say which, with --task groups or --task classes"):
        load_task(columns)
    task = load_task(columns, task="groups")
    assert isinstance(task, TextTask)
    assert (task.kind, task.labels, task.gold.tolist()) == ("groups", ("0", "1"), LABELS)


def test_columns_of_other_names_are_named() -> None:
    data = {"ticket": A, "team": LABELS, "label": ["x"] * N}
    task = load_task(data, task="classes", columns={"text": "ticket", "label": "team"})
    assert isinstance(task, TextTask)
    assert task.items == A
    with pytest.raises(InputError, match='there is no "texts"'):
        load_task(data, columns={"texts": "ticket"})


def test_a_split_is_measured_and_classes_learn_from_another() -> None:
    split = ["train"] * 4 + ["test"] * 20
    data = {"text": A, "label": LABELS, "split": split}
    with pytest.warns(ChoiceWarning, match=r"20 of 24 rows .* whose split is test"):
        task = load_task(data, task="classes")
    assert isinstance(task, TextTask)
    assert task.items == A[4:]
    assert task.learning is not None
    assert task.learning[0] == A[:4]
    every = load_task(data, task="classes", split="all")
    assert isinstance(every, TextTask)
    assert (len(every), every.learning) == (N, None)
    with pytest.raises(InputError, match='no split "dev"; there are train, test and all'):
        load_task(data, task="classes", split="dev")


# --- what cannot be measured, or only with a word ---

REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "no kind": (
        {"x": A, "y": B}, {}, '"x", "y", which do not make data to measure on. These do: sentence1'
    ),
    "another kind": (
        {"sentence1": A, "sentence2": B, "score": SCORES}, {"task": "triplets"},
        "do not make triplets, but similarity. These do",
    ),
    "two kinds": (
        {"sentence1": A, "sentence2": B, "score": SCORES, "label": LABELS}, {},
        "measured as similarity or pairs",
    ),
    "one label": ({"text": A, "label": ["x"] * N}, {"task": "classes"}, 'every label is "x"'),
    "one score": (
        {"sentence1": A, "sentence2": B, "score": [1.0] * N}, {}, "every score is 1: there is no"
    ),
    "unclear labels": (
        {"sentence1": A, "sentence2": B, "label": ["odd", "even"] * 12}, {},
        "which of them means that two texts belong together with --positive",
    ),
    "no such label": (
        {"sentence1": A, "sentence2": B, "label": LABELS}, {"positive": 2},
        "positive=2 is no label of the data: it has 0, 1",
    ),
    "an unknown document": (
        {**TABLES, "qrels": {**QRELS, "corpus-id": ["d1", "d9", "d3"] * 8}}, {},
        r'index 1: there is no document "d9" \(8 of 24 judgements',
    ),
    "an unknown query": (
        {**TABLES, "qrels": {**QRELS, "query-id": ["q0", "q1", "q99"] * 8}}, {},
        r'index 2: there is no query "q99" \(8 of',
    ),
    "nothing relevant": (
        {**TABLES, "qrels": {**QRELS, "score": [0] * N}}, {}, "none of 24 queries has a relevant"
    ),
    "an id twice": (
        {**TABLES, "corpus": {**CORPUS, "_id": ["d1", "d2", "d1"]}}, {},
        'index 2: the id "d1" comes twice',
    ),
    "no id": ({**TABLES, "queries": {"text": A}}, {}, "none of query_id, qid, _id, id"),
    "tables for another kind": (TABLES, {"task": "groups"}, "are retrieval, not groups"),
    "an option for other kinds": (
        {"sentence1": A, "sentence2": B, "score": SCORES}, {"protocol": "mteb"},
        r"protocol \(--protocol\) is for classes, and the data is similarity: leave it out",
    ),
    "columns of tables": (
        TABLES, {"columns": {"text": "title"}}, "is for a single table: leave it out"
    ),
    "each text its own label": (
        {"text": A, "label": A}, {"task": "classes"}, "no label can be learned: no second text has"
    ),
    "MTEB's protocol without a split": (
        {"text": A, "label": LABELS}, {"task": "classes", "protocol": "mteb"},
        "learns from the rows whose split is train, and there are none",
    ),
    "one item": ({"anchor": ["a"], "positive": ["b"], "negative": ["c"]}, {}, "at least 2"),
    "no split": (
        {"text": A, "label": LABELS}, {"task": "groups", "split": "test"}, 'no column "split"'
    ),
    "two columns of one meaning": (
        {"Text": A, "text": B, "label": LABELS}, {"task": "groups"},
        'the columns "Text" and "text" both mean text; rename one',
    ),
    "one column for two": (
        {"q": A, "label": LABELS}, {"columns": {"query": "q", "document": "q"}},
        "one column cannot be two; name it once",
    ),
    "labels of two columns": (
        {"text": A, "a": LABELS, "b": LABELS}, {"columns": {"label": ["a", "b"]}},
        "give label one column; only texts can have several",
    ),
    "no number": (
        {"sentence1": A, "sentence2": B, "score": ["x", *SCORES[1:]]}, {}, "'x', not a number"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_measured_is_refused_in_one_line(name: str) -> None:
    data, options, message = REFUSED[name]
    with pytest.raises(SememeError, match=message) as refusal:
        load_task(data, **options)
    assert "\n" not in str(refusal.value)


def test_a_row_with_a_blank_text_is_left_out_with_a_note() -> None:
    data = {"sentence1": ["", *A[1:]], "sentence2": B, "score": SCORES}
    with pytest.warns(BlankWarning, match=r'1 of \d+ cells of "sentence1 or sentence2" is blank'):
        task = load_task(data)
    assert isinstance(task, PairTask)
    assert task.pairs == list(zip(A, B, strict=True))[1:]
    np.testing.assert_array_equal(task.gold, SCORES[1:])
    other = {"text": A, "label": LABELS, "document": [""] * len(A)}
    assert len(load_task(other, task="groups")) == len(A), "a column that is not measured"
    with pytest.warns(BlankWarning), pytest.raises(TableError, match="no row with all of its"):
        load_task({**data, "sentence1": [" "] * len(A)})


def test_queries_without_a_relevant_document_are_left_out_and_counted() -> None:
    qrels = {**QRELS, "score": [0, *QRELS["score"][1:]]}
    with pytest.warns(SememeWarning, match="without a relevant document are left out, 1 of 24"):
        task = load_task({**TABLES, "qrels": qrels})
    assert len(task) == N - 1


def test_texts_of_other_splits_are_counted() -> None:
    split = ["train"] * 4 + ["test"] * 20
    data = {"sentence1": ["a 9", *A[1:]], "sentence2": B, "score": SCORES, "split": split}
    with pytest.warns(SememeWarning, match=r"1 of 20 rows .* a text that is in another split too"):
        load_task(data, split="test")


def test_contradictions_are_counted() -> None:
    data = {"text": [*A[:-2], "a 0", "a 1"], "label": [*LABELS[:-2], 1, 1]}
    with pytest.warns(SememeWarning, match=r"1 of 24 rows .* another label than a row before"):
        load_task(data, task="groups")


def test_labels_that_cannot_be_learned_are_counted() -> None:
    split, labels = ["train"] * 4 + ["test"] * 20, ["x", "y"] * 2 + ["x", "z"] * 10
    with pytest.warns(SememeWarning, match='1 label to measure on, such as "z", cannot be learned'):
        load_task({"text": A, "label": labels, "split": split}, task="classes", split="test")
    with pytest.warns(SememeWarning, match='"w", cannot be learned: no second text has it'):
        load_task({"text": A, "label": ["w", *LABELS[1:]]}, task="classes")


def test_five_rows_are_measured_with_a_word() -> None:
    with pytest.warns(SememeWarning, match="5 items to measure on tell next to nothing"):
        task = load_task({"sentence1": A[:5], "sentence2": B[:5], "score": SCORES[:5]})
    assert len(task) == 5


# --- fewer items, and what is read ---


@pytest.mark.parametrize(
    ("data", "options"),
    [
        ({"sentence1": A, "sentence2": B, "score": SCORES}, {}),
        ({"anchor": A, "positive": B, "negative": B[::-1]}, {}),
        ({"query": A, "document": B}, {}),
        ({"query": A * 2, "document": B + A, "label": [1] * N + [0] * N}, {"task": "reranking"}),
        ({"text": A, "label": LABELS}, {"task": "groups"}),
    ],
)
def test_a_subset_gives_its_items_values(data: Any, options: Any) -> None:
    task, items = load_task(data, **options), [7, 3, 5]
    texts = task.texts()
    assert set(texts) == {*A, *B} if "text" not in data else set(texts) == set(A)
    random = np.random.default_rng(0)
    scores = {(a, b): float(random.normal()) for a in texts for b in texts}
    system = Known(scores, {text: int(random.integers(0, 3)) for text in texts})
    part = task.subset(items)
    assert len(part) == 3
    every, few = task.measure(system), part.measure(system)
    for name, measurement in every.items():
        if name not in ("Spearman",):
            np.testing.assert_allclose(few[name].values, measurement.values[items])
    if "Spearman" in every:
        order = np.argsort(every["Spearman"].values[items])
        np.testing.assert_array_equal(order, np.argsort(few["Spearman"].values))


def test_folds_hold_identical_texts_together_and_labels_apart() -> None:
    texts = [f"text {i // 2}" for i in range(40)]

    class Learner(Known):
        def classify(self, texts: Any, labels: Any, new_texts: Any, *, protocol: Any = None) -> Any:
            assert not {*texts} & {*new_texts}
            assert set(labels) == {0, 1}
            return super().classify(texts, labels, new_texts, protocol=protocol)

    gold = np.array([i // 20 for i in range(40)])
    task = TextTask("classes", "texts", texts, gold, ("x", "y"))
    right = dict(zip(texts, gold, strict=True))
    assert task.measure(Learner(labels=right))["accuracy"].value == 1
