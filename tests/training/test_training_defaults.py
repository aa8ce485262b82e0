"""What is chosen for the user suits the data, has a reason, and gives way to what was asked."""

import inspect
import json
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sememe
from sememe.cli.commands import parse
from sememe.cli.training import _loss_option
from sememe.data import load
from sememe.errors import ChoiceWarning, InputError, SememeWarning, TableError
from sememe.evaluation.outcome import ON_REQUEST
from sememe.training.batches import Batches
from sememe.training.losses import BI, CROSS
from sememe.training.plan import Plan, choose, make_plan
from training_tables import KINDS, Table, table, write_csv

TABLES = {kind: load(table(kind, 60)) for kind in KINDS}
CASES = [(kind, cross) for kind in KINDS for cross in (False, True)][:-1]
"""All but labelled texts for a cross-encoder."""


def chosen(examples: Any, *, cross: bool = False, **given: Any) -> dict[str, Any]:
    choices = choose(examples, given, cross=cross, positive=examples.positive_label)
    return {choice.name: choice.value for choice in choices}


def plan_of(data: Any, dev: Any = None, *, cross: bool = False, **options: Any) -> Plan:
    return make_plan(data, dev, options, cross=cross)


# --- losses ---


@pytest.mark.parametrize(("kind", "cross"), CASES)
def test_every_kind_of_data_gets_a_loss_that_takes_it(kind: str, cross: bool) -> None:
    choices = choose(TABLES[kind], {}, cross=cross, positive=TABLES[kind].positive_label)
    values = {choice.name: choice.value for choice in choices}
    assert kind in (CROSS if cross else BI)[values["loss"]].kinds
    assert {"loss", "batch_size", "learning_rate", "epochs"} <= values.keys()
    assert all(len(choice.why) > 10 for choice in choices)
    assert values["learning_rate"] == (5e-5 if cross or kind == "labelled texts" else 2e-5)


@pytest.mark.parametrize(("kind", "cross"), CASES)
def test_another_loss_is_refused_with_those_that_fit(kind: str, cross: bool) -> None:
    losses = CROSS if cross else BI
    fitting = ", ".join(name for name, entry in losses.items() if kind in entry.kinds)
    other = next(name for name, entry in losses.items() if kind not in entry.kinds)
    for name, message in ((other, f"is not for {kind}"), ("bananas", "is not known")):
        with pytest.raises(
            InputError, match=rf"The loss '{name}' {message}; .* there are {fitting}\."
        ):
            chosen(TABLES[kind], cross=cross, loss=name)


def test_single_texts_are_not_for_a_cross_encoder() -> None:
    with pytest.raises(InputError, match=r"a cross-encoder reads pairs; sememe train classifier"):
        chosen(TABLES["labelled texts"], cross=True)


@pytest.mark.parametrize(("cross", "loss"), [(False, "softmax"), (True, "cross-entropy")])
def test_labels_that_say_nothing_of_alikeness_are_classes(cross: bool, loss: str) -> None:
    for names in (["entails", "neutral", "denies"], ["red", "blue"]):
        columns = table("labelled pairs", 12)
        columns["label"] = [names[i % len(names)] for i in range(12)]
        assert chosen(load(columns), cross=cross)["loss"] == loss


@pytest.mark.parametrize(("cross", "loss"), [(False, "contrastive"), (True, "bce")])
def test_what_is_alike_is_asked_for_where_the_loss_needs_it(cross: bool, loss: str) -> None:
    columns = labels_of(["red", "blue"])
    with pytest.raises(InputError, match=r"the labels blue, red: say which .* --positive LABEL"):
        plan_of(columns, "none", cross=cross, loss=loss)
    plan = plan_of(columns, "none", cross=cross, loss=loss, positive="red")
    targets = plan.targets(0)
    assert targets.targets is not None
    assert [example.target for example in targets] == [float(i % 2 == 0) for i in range(40)]


def labels_of(names: list[Any], rows: int = 40, seed: int = 0) -> Table:
    columns = table("labelled pairs", rows, seed)
    columns["label"] = [names[i % len(names)] for i in range(rows)]
    return columns


def test_what_is_alike_is_each_data_set_s_own() -> None:
    # "duplicate" comes before "not duplicate", and "no" before "yes".
    parts = [labels_of(["no", "yes"]), labels_of(["duplicate", "not duplicate"], seed=1)]
    plan = plan_of(parts, "none")
    assert [loss for loss, _ in plan.losses()] == ["contrastive"] * 2
    assert [plan.targets(i)[0].target for i in (0, 1)] == [0.0, 1.0]
    mixed = plan_of([table("pairs", 40), labels_of([0, 1], seed=1)], "none")
    assert [example.target for example in mixed.targets(1)][:2] == [0.0, 1.0]


def test_a_positive_label_that_is_not_there_is_said() -> None:
    with pytest.raises(InputError, match=r"positive='2' is no label of the data: it has 0, 1"):
        plan_of(labels_of([0, 1]), positive="2")
    with pytest.raises(InputError, match="it has none"):
        plan_of(table("pairs", 40), positive="1")
    assert plan_of(labels_of([0, 1]), positive=0).positives == [0]  # as a number, too


# --- sizes ---


@pytest.mark.parametrize("rows", [4, 8, 40, 5000, 200_000])
def test_small_data_get_small_batches_and_more_epochs(rows: int) -> None:
    examples = TABLES["pairs"].subset(np.arange(rows) % 60)
    values = chosen(examples)
    assert 2 <= values["batch_size"] <= min(64, max(2, rows // 2))
    assert values["epochs"] == min(10, max(1, round(20_000 / rows)))
    assert len(Batches([examples], values["batch_size"], epochs=values["epochs"])) >= 2


def test_what_is_given_wins_and_is_called_so() -> None:
    given: dict[str, Any] = {"loss": "triplet", "batch_size": 5, "learning_rate": 1e-3, "epochs": 7}
    choices = choose(TABLES["triplets"], given, cross=False, positive=None)
    assert {choice.name: choice.value for choice in choices} == given
    assert {choice.why for choice in choices} == {ON_REQUEST}
    plan = plan_of(table("triplets", 60), **given, seed=3, patience=2, evaluations=5)
    settings = plan.settings
    assert (settings.batch_size, settings.learning_rate, settings.epochs) == (5, 1e-3, 7)
    assert (settings.seed, settings.patience, settings.evaluations) == (3, 2, 5)


def test_numpys_numbers_are_pythons_in_what_is_written_down() -> None:
    given: Any = {"batch_size": np.int64(8), "epochs": np.float32(2), "lora": np.int32(4)}
    identity = plan_of(table("pairs", 60), "none", **given).identity()
    assert json.loads(json.dumps(identity))["batch_size"] == 8
    assert (identity["epochs"], identity["lora"]) == (2, 4)


def test_a_loss_takes_its_options() -> None:
    plan = plan_of(table("triplets", 60), "none", loss="triplet", loss_options={"margin": 0.3})
    assert plan.losses()[0][1] == {"margin": 0.3}
    other = plan_of(table("triplets", 60), "none", loss="triplet")
    assert other.losses()[0][1] == {}
    assert other.identity() != plan.identity()
    with pytest.raises(InputError, match="margin is no option of the loss bce; it has none"):
        plan_of(table("scored pairs", 60), cross=True, loss_options={"margin": 0.3})


@pytest.mark.parametrize(
    ("text", "value"), [("0.3", 0.3), ("5", 5), ("true", True), ("False", False), ("dot", "dot")]
)
def test_an_option_of_a_loss_on_the_command_line(text: str, value: object) -> None:
    assert _loss_option(f"name={text}") == ("name", value)
    for other in ("name", "name=", f"={text}"):
        with pytest.raises(ArgumentTypeError, match="is not NAME=VALUE"):
            _loss_option(other)


def test_a_teachers_logits_are_scaled_to_cosines_and_probabilities_are_not() -> None:
    columns = table("taught triplets", 60)
    assert plan_of(columns, "none").losses()[0][1] == {}
    columns["positive_score"] = [10.0] * 60
    columns["negative_score"] = [-10.0] * 60
    assert plan_of(columns, "none").losses()[0][1] == {"scale": 20}
    assert plan_of(columns, "none", loss_options={}).losses()[0][1] == {"scale": 20}
    assert plan_of(columns, "none", cross=True).losses()[0][1] == {}
    options = {"similarity": "dot"}
    assert plan_of(columns, "none", loss_options=options).losses()[0][1] == options


def test_a_list_of_rows_is_one_data_set_whatever_is_in_its_first() -> None:
    rows = [{"text": f"a{i}", "label": [i % 2]} for i in range(6)]
    with pytest.raises(TableError, match=r"index 0: .*several labels for one text"):
        plan_of(rows)


def test_lora_gets_a_higher_rate() -> None:
    assert chosen(TABLES["pairs"], lora=8)["learning_rate"] == pytest.approx(2e-4)
    assert chosen(TABLES["pairs"], lora=8, learning_rate=1e-5)["learning_rate"] == 1e-5


@pytest.mark.parametrize("epochs", [0.5, 1, 3, 10])
def test_there_are_four_evaluations_at_least(epochs: float) -> None:
    settings = plan_of(table("pairs", 60), epochs=epochs).settings
    assert settings.evaluations * epochs >= 4


ASKED_FOR: list[dict[str, int]] = [
    {}, {"batch_size": 30}, {"batch_size": 2}, {"per_label": 3}, {"per_label": 0},
    {"per_label": 2, "batch_size": 9},
]  # fmt: skip


@pytest.mark.parametrize("labels", [2, 4, 30])
@pytest.mark.parametrize("given", ASKED_FOR, ids=str)
def test_batches_of_labels_always_fit(labels: int, given: dict[str, int]) -> None:
    made = [f"label {i % labels}" for i in range(120)]
    texts = [f"text {i}" for i in range(120)]
    plan = make_plan({"text": texts, "label": made}, "none", dict(given), cross=False)
    size, each = plan.settings.batch_size, plan.settings.per_label
    assert each == given.get("per_label", each)
    assert size <= max(given.get("batch_size", 32), 4) or each
    batches = Batches(plan.datasets, size, per_label=each)
    for part, rows in map(batches.__getitem__, range(len(batches))):
        examples = plan.datasets[part]
        _, counts = np.unique([examples[row].target for row in rows], return_counts=True)
        assert not each or (set(counts) == {each} and len(counts) > 1)


def test_labels_that_are_all_held_out_are_not_counted_on() -> None:
    labels = [f"label {i % 3}" for i in range(40)] + ["rare", "rare"]
    texts = [f"text {i}" for i in range(42)]
    for seed in range(8):
        plan = plan_of({"text": texts, "label": labels}, seed=seed)
        settings = plan.settings
        assert len(Batches(plan.datasets, settings.batch_size, per_label=settings.per_label))


# --- what is held out ---


def texts_in(*parts: Any) -> set[str]:
    return {text for part in parts if part for example in part for text in example.texts}


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_that_is_held_out_is_trained_on(kind: str) -> None:
    columns = table(kind, 100)
    plan = plan_of(columns)
    assert plan.dev is not None
    assert plan.test is not None
    assert len(plan.datasets[0]) + len(plan.dev) + len(plan.test) == 100
    assert 8 <= len(plan.dev) <= len(plan.test) + 1 <= 12
    assert not texts_in(plan.datasets[0]) & texts_in(plan.dev, plan.test)
    assert not texts_in(plan.dev) & texts_in(plan.test)


def test_what_is_held_out_is_not_trained_on_in_another_data_set() -> None:
    texts = table("labelled texts", 60)["text"]
    labels = {name: [f"{name} {i % k}" for i in range(60)] for name, k in (("a", 2), ("b", 3))}
    first, second = ({"text": texts, "label": made} for made in labels.values())
    with pytest.warns(
        ChoiceWarning, match=r"12 of 60 rows .* text that is held out .* not trained"
    ):
        plan = plan_of([first, second])
    assert [len(part) for part in plan.datasets] == [48, 48]
    assert not texts_in(*plan.datasets) & texts_in(plan.dev, plan.test)


def test_a_data_set_of_which_all_is_held_out_is_refused() -> None:
    pairs = table("pairs", 100)
    held = plan_of(pairs)
    rows = [example.texts for part in (held.dev, held.test) for example in part or ()]
    other = {"anchor": [a for a, _ in rows], "positive": [p for _, p in rows]}
    with (
        pytest.warns(ChoiceWarning, match="20 of 20 rows"),
        pytest.raises(InputError, match="leaves nothing of the data; give examples to measure on"),
    ):
        plan_of([pairs, other])


def test_examples_to_measure_on_may_be_given(tmp_path: Path) -> None:
    dev = write_csv(tmp_path / "dev.csv", table("scored pairs", 30, seed=1))
    plan = plan_of(table("scored pairs", 50), dev)
    assert plan.dev is not None
    assert plan.test is not None
    assert (len(plan.datasets[0]), len(plan.dev), len(plan.test)) == (50, 15, 15)
    assert plan.dev.name == str(dev)


def test_examples_to_measure_on_that_are_trained_on_too_are_said() -> None:
    columns, dev = table("pairs", 50), table("pairs", 30, seed=1)
    dev["anchor"][3] = columns["positive"][7]
    with pytest.warns(SememeWarning, match=r"1 of 50 rows .* may be better than on new texts"):
        plan_of(columns, dev)


def test_nothing_need_be_measured() -> None:
    plan = plan_of(table("pairs", 30), "none")
    assert (len(plan.datasets[0]), plan.dev, plan.test) == (30, None, None)


@pytest.mark.parametrize("kind", ["triplets", "labelled pairs"])
def test_examples_of_another_kind_are_no_measure(kind: str) -> None:
    with pytest.raises(
        InputError, match=rf"the data holds {kind}, .*scored pairs: what is measured on needs"
    ):
        plan_of(table("scored pairs", 40), table(kind, 40))
    with pytest.raises(TableError, match='index 0: "label" is "0", a label that no training'):
        plan_of(labels_of(["yes", "no"]), labels_of([0, 1]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [8, 10])
def test_too_few_to_hold_out_is_said_before_any_work(kind: str, rows: int) -> None:
    message = r"held out to measure on: too few, .*\(--dev none|hold out more of it"
    with pytest.raises(InputError, match=message):
        plan_of(table(kind, rows))
    assert plan_of(table(kind, rows), "none").datasets


def test_measures_that_could_tell_nothing_are_refused() -> None:
    dev = table("scored pairs", 30, seed=1)
    dev["score"] = [0.5] * 29 + [0.6]
    with pytest.raises(InputError, match=r"15 examples .* or too much alike, .* Give more data"):
        plan_of(table("scored pairs", 40), dev)


# --- options ---


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"epochs": 0}, "epochs=0: give a number above 0"),
        ({"epochs": "2"}, "epochs='2': give a number above 0"),
        ({"epochs": True}, "epochs=True: give a number above 0"),
        ({"batch_size": "2"}, "batch_size='2': give a whole number from 2"),
        ({"batch_size": 1}, "batch_size=1: give a whole number from 2"),
        ({"patience": True}, "patience=True: give a whole number"),
        ({"lora": True}, "lora=True: give a whole number of at least 1"),
        ({"warmup": 1.5}, "warmup=1.5: give a number of at least 0 and of at most 1"),
        ({"weights": [True, 1]}, "weights=True: give a number above 0"),
        ({"loss_options": {"margin": 1}}, "margin is no option of the loss ranking; it has scale"),
        ({"loss_options": {"scal": 1}}, r'loss ranking \(did you mean "scale"\?\)'),
        ({"loss_options": {"scale": 0}}, "scale=0: give a number above 0"),
        ({"weights": [1.0]}, "1 weights for 2 data sets; give one for each"),
        ({"loss": "cosent"}, r"'cosent' is not for pairs; the data holds pairs"),
    ],
)
def test_bad_options_are_said(option: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan_of([table("pairs", 40), table("pairs", 40, seed=1)], "none", **option)


@pytest.mark.parametrize("train", [sememe.train_bi, sememe.train_cross])
def test_the_command_line_takes_every_option(train: Any) -> None:
    kind = train.__name__.removeprefix("train_")
    options = vars(parse(["train", kind, "pairs.csv", "-o", "model"]))
    of_commands = {"run", "parser", "json", "text", "label"}
    assert options.keys() - of_commands == inspect.signature(train).parameters.keys() - {"progress"}


def test_bad_data_are_said() -> None:
    three = {"anchor": ["a", "b", "c"], "positive": ["d", "e", "f"]}
    with pytest.raises(InputError, match="3 rows; training needs at least 4"):
        plan_of(three)
    with pytest.raises(TableError, match="To train on"):
        plan_of({"anchor": ["a"] * 5, "score": [1] * 5})


# --- identity ---


def test_a_run_is_all_that_its_outcome_depends_on() -> None:
    base: dict[str, Any] = {"data": labels_of([0, 1]), "dev": "none"}

    def identity(**changed: Any) -> dict[str, Any]:
        return plan_of(**{**base, **changed}).identity()

    same = identity()
    assert identity(device="cpu", save_minutes=1, log="tensorboard", progress=True) == same
    for changed in (
        {"data": labels_of([0, 1], seed=1)}, {"data": labels_of([1, 0])}, {"dev": None},
        {"dev": labels_of([0, 1], seed=1)}, {"loss": "softmax"}, {"positive": "0"}, {"lora": 2},
        {"seed": 1}, {"epochs": 2}, {"batch_size": 4}, {"learning_rate": 1e-3}, {"warmup": 0.2},
        {"weight_decay": 0}, {"max_norm": 2}, {"precision": "bf16"}, {"evaluations": 9},
        {"patience": 3}, {"weights": [2.0]},
    ):  # fmt: skip
        other = identity(**changed)
        assert sorted(other) == sorted(same)
        assert other != same, changed
