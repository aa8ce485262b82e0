"""From data to a verdict: every kind of work, bad input, a kill, questions and their answers."""

import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toys import TOPICS, Broken, Overlap, Topics, groups, pairs, search, texts

import sememe
from sememe.errors import CostWarning, InputError, SememeError, SememeWarning, TableError
from sememe.selection.candidates import Models, candidates_for
from sememe.selection.verdict import code, command
from sememe.tables import read_table, write_table

GOOD, POOR = Topics(0.1), Topics(8.0)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMEME_CACHE", str(tmp_path / "cache"))


def select(data: Any, *models: Any, **options: Any) -> Any:
    return sememe.select(data, models=models or (GOOD, POOR), installed=False, **options)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["cluster", "classify"])
def test_labelled_texts(task: Any) -> None:
    result = select(groups(240), task=task, texts=10_000)
    assert result.choice == GOOD.name
    assert [row.name for row in result.rows] == [GOOD.name, POOR.name]
    assert result.rows[0].quality.value > result.rows[1].quality.value + 0.1
    assert "10,000 texts" in result.verdict
    assert f"{POOR.name} is" in result.verdict


@pytest.mark.slow
def test_pairs_with_a_cross_encoder() -> None:
    result = select(pairs(240), GOOD, POOR, Overlap())
    assert result.metric == "average precision"
    assert {row.kind for row in result.rows} == {"bi-encoder", "cross-encoder"}
    assert "reads all" in result.verdict
    assert result.rows[-1].name == POOR.name
    alone = select(pairs(240), GOOD)
    assert alone.verdict.endswith("It is the only candidate.")
    assert "on 64 of 240 items" in alone.verdict


@pytest.mark.slow
def test_search_with_words_beside_and_a_cross_encoder_behind() -> None:
    result = select(search(210), GOOD, POOR, Overlap(), queries_per_day=1000)
    kinds = {row.kind for row in result.rows}
    assert kinds == {"bi-encoder", "words", "hybrid", "cascade"}
    assert result.metric == "nDCG@10"
    assert "of computing a day" in result.verdict
    reranked = next(each for each in result.candidates if each.kind == "cascade")
    assert "budget=20" in code(reranked, "search")
    assert "--budget 20" in command(replace(reranked, model="m", cross="c"), "search")
    assert result.rows[-1].quality is not None


@pytest.mark.slow
def test_triplets_and_candidates_of_a_query() -> None:
    found, topics = texts(300)
    same = {
        topic: [t for t, other in zip(found, topics, strict=True) if other == topic]
        for topic in TOPICS
    }
    others = {
        topic: [t for t, other in zip(found, topics, strict=True) if other != topic]
        for topic in TOPICS
    }
    triplets = {
        "anchor": found[:220],
        "positive": [same[topic][i % 50] for i, topic in enumerate(topics[:220])],
        "negative": [others[topic][i % 90] for i, topic in enumerate(topics[:220])],
    }
    result = select(triplets, GOOD, POOR, Overlap())
    assert (result.metric, result.sample.work) == ("accuracy", "pairs")
    assert result.rows[-1].name == POOR.name
    reranking = {
        "query": [query for query in found[:210] for _ in range(2)],
        "document": [
            text
            for row in range(210)
            for text in (triplets["positive"][row], triplets["negative"][row])
        ],
        "label": [1, 0] * 210,
    }
    result = select(reranking, GOOD, POOR, Overlap())
    assert (result.metric, result.sample.work) == ("MAP", "search")
    assert {row.kind for row in result.rows} == {"bi-encoder", "cross-encoder"}
    assert result.rows[-1].name == POOR.name


@pytest.mark.slow
def test_texts_without_their_group_are_grouped_with_the_others() -> None:
    data = groups(260)
    data["label"][230:] = [""] * 30
    result = select(data, task="cluster")
    assert result.labels == 230
    assert len(result.sample.texts) == 260


@pytest.mark.slow
def test_it_is_all_in_json_and_in_a_frame() -> None:
    result = select(groups(220), task="classify", memory="2GB")
    values = json.loads(json.dumps(result.to_dict()))
    assert values["choice"] == GOOD.name
    assert {each["name"] for each in values["candidates"]} == {GOOD.name, POOR.name}
    assert values["scale"]["memory"] == 2e9
    assert list(result.to_frame()["name"]) == [row.name for row in result.rows]


@pytest.mark.slow
def test_limits_that_nobody_keeps_are_said() -> None:
    result = select(groups(220), task="classify", latency="0.000001ms")
    with pytest.raises(InputError, match=r"keeps the limits \(.* ms, where 1e-06 ms are allowed"):
        _ = result.choice
    assert "no candidate keeps the limits" in result.verdict
    assert result.to_dict()["choice"] is None


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"latency": "fast"}, "latency='fast': give one such as 50ms"),
        ({"memory": -1}, "memory=-1: give a number above 0"),
        ({"texts": 0}, "texts=0"),
    ],
)
def test_a_scale_that_is_none_is_refused(options: Any, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        select(groups(220), task="classify", **options)


def test_what_keeps_the_limits_is_not_dropped_for_what_does_not() -> None:
    class Wide(Topics):
        def encode(self, texts: list[str]) -> Any:
            return super().encode(texts).repeat(10, axis=1)

    wide = Wide(0.1, "wide")
    result = select(pairs(240), POOR, wide, texts=1_000_000, memory="100MB")
    assert result.choice == POOR.name
    assert "points better" in result.verdict
    assert ", but it takes 320 MB of memory, where 100 MB are allowed" in result.verdict


@pytest.mark.parametrize("models", [{"mine": GOOD}, GOOD])
def test_a_model_comes_alone_or_under_a_name(models: Any) -> None:
    result = sememe.select(pairs(120), models=models, installed=False)
    assert result.choice == ("mine" if isinstance(models, dict) else GOOD.name)
    assert "encoder = my_topics\n" in result.code
    assert repr(result) == result.verdict


def test_two_objects_of_one_name_are_two_candidates() -> None:
    twin = Topics(8.0, "twin")
    twin.name = GOOD.name
    rows = select(pairs(120), GOOD, twin).rows
    assert [row.name for row in rows] == [GOOD.name, f"{GOOD.name} (2)"]
    assert rows[0].quality.value > rows[1].quality.value + 0.1


@pytest.mark.slow
def test_the_code_opens_an_encoder_as_it_was_opened(tiny: Any) -> None:
    encoder = sememe.BiEncoder(tiny.directory, precision="f32")
    candidates, _ = candidates_for("pairs", encoder, Models(), installed=False)
    shown = code(candidates[0], "pairs")
    assert f'sememe.BiEncoder("{tiny.directory}", precision="f32")' in shown


def test_a_single_name_is_no_list_of_letters() -> None:
    with pytest.raises(InputError, match="no candidate \\(no-such-model: "):
        sememe.select(pairs(60), models="no-such-model", installed=False)


# ---- Bad input: one clear line each. ----


@pytest.mark.slow
def test_five_rows_are_measured_and_said_to_be_few(default_model: str) -> None:
    del default_model
    data = {"sentence1": list("abcde"), "sentence2": list("abxyz"), "label": [1, 1, 0, 0, 0]}
    with pytest.warns(SememeWarning, match="5 items"):
        result = select(data)
    assert result.labels == 5


def test_labels_of_one_class_are_refused() -> None:
    data = groups(220)
    data["label"] = ["tea"] * 220
    with pytest.raises(InputError, match="label"):
        select(data, task="classify")


@pytest.mark.slow
def test_contradicting_labels_are_counted() -> None:
    data = groups(220)
    data["text"].append(data["text"][0])
    data["label"].append("sky" if data["label"][0] != "sky" else "tea")
    with pytest.warns(SememeWarning, match="another label"):
        select(data, task="classify")


@pytest.mark.slow
def test_a_candidate_that_fails_is_reported_and_the_others_go_on() -> None:
    with pytest.warns(SememeWarning, match="Not measured: .*broken: the weights are gone"):
        result = select(groups(220), GOOD, Broken(), "no-such/model-here", task="classify")
    notes = {row.name: row.note for row in result.rows}
    assert notes["broken"] == "the weights are gone"
    assert "no-such/model-here" in result.failures
    assert result.choice == GOOD.name
    with pytest.raises(InputError, match="no candidate could be measured"):
        select(groups(220), Broken(), task="classify")
    with pytest.raises(InputError, match="there is no candidate"):
        select(groups(220), "no-such/model-here", task="classify")


def test_texts_without_labels_need_a_task() -> None:
    with pytest.raises(InputError, match=r"no labels.*--task search, cluster, pairs or classify"):
        select({"text": texts(20)[0]})
    with pytest.raises(TableError, match="say which to read with --columns text=NAME"):
        select({"id": ["1", "2"], "body": ["a", "b"]}, task="cluster")


def test_labels_of_another_work_are_refused() -> None:
    with pytest.raises(TableError, match="do not make groups"):
        select(pairs(60), task="cluster")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"columns": {"text": "foo"}, "task": "cluster"}, 'no column "foo"'),
        ({}, "text and label.*say which, with --task cluster or --task classify"),
        ({"task": "pairs"}, "text and label, which are for groups or for classes"),
        ({"task": "cluster", "train": True}, "tunes encoders on pairs, triplets and classes"),
    ],
)
def test_labelled_texts_for_what_they_do_not_say_are_refused(options: Any, problem: str) -> None:
    with pytest.raises((InputError, TableError), match=problem):
        select(groups(60), **options)


def test_a_label_and_a_score_are_one_too_many() -> None:
    with pytest.raises(InputError, match="both a score and a label"):
        select({**pairs(60), "score": [0.0, 1.0] * 30})


def test_a_folder_without_its_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="a folder without corpus, queries, qrels"):
        select(str(tmp_path))
    for name, columns in search(60).items():
        write_table(tmp_path / f"{name}.csv", columns)
    with pytest.raises(InputError, match="labelled for search"):
        select(str(tmp_path), task="cluster")
    (tmp_path / "qrels.csv").unlink()
    with pytest.raises(TableError, match="a folder without qrels"):
        select(str(tmp_path))


@pytest.mark.slow
def test_an_encoder_that_is_tuned_is_a_candidate_and_its_trainings_are_said_first(
    shallow: Any, default_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del default_model
    for module in ("evaluation.kinds", "selection.tuning"):
        monkeypatch.setattr(f"sememe.{module}.FOLDS", 2)
    data = {name: [str(each)[:12] for each in column] for name, column in pairs(60).items()}
    with pytest.warns(CostWarning, match="1 candidate tuned on the 60 items, 2 times each"):
        result = select(data, shallow.directory, train=True)
    tuned = next(row for row in result.rows if row.name.endswith(", tuned"))
    assert tuned.items == 60
    assert tuned.quality is not None


KILLED = """
import sys, time
sys.path.insert(0, {folder!r})
import sememe
from toys import Topics, groups

class Slow(Topics):
    def encode(self, texts):
        print("computing", self.name, flush=True)
        if self.name.endswith("8") and {wait}:
            time.sleep(60)
        return super().encode(texts)

result = sememe.select(groups(210), task="classify", models=[Slow(0.1), Slow(8)], installed=False)
print(result.choice)
"""


@pytest.mark.kill
@pytest.mark.slow
def test_a_kill_loses_no_measurement(tmp_path: Path) -> None:
    del tmp_path
    folder = str(Path(__file__).parent)

    def run(*, wait: bool) -> subprocess.Popen[str]:
        script = KILLED.format(folder=folder, wait=wait)
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", script], stdout=subprocess.PIPE, text=True
        )

    process = run(wait=True)
    assert process.stdout is not None
    for line in process.stdout:  # the warm-up call of the second one comes after the first's
        if line.startswith("computing topics with noise 8"):
            break
    time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    lines = run(wait=False).communicate()[0].splitlines()
    first = [line for line in lines if line == "computing topics with noise 0.1"]
    second = [line for line in lines if line == "computing topics with noise 8"]
    assert lines[-1] == "topics with noise 0.1"
    assert len(second) > len(first), "what was measured before the kill is not measured again"


# ---- Without labels, and questions. ----


@pytest.mark.slow
@pytest.mark.parametrize("task", ["search", "cluster", "pairs", "classify"])
def test_a_jury_orders_the_candidates_until_answers_to_questions_count(
    task: Any, tmp_path: Path, default_model: str
) -> None:
    del default_model
    found, topics = texts(150)
    topic_of = dict(zip(found, topics, strict=True))
    data = {"text": found}
    path = tmp_path / "questions.csv"
    result = select(data, task=task)
    assert result.labels == 0
    assert result.prior.jury[0] == "default"
    assert result.prior.values[GOOD.name] > result.prior.values[POOR.name]
    assert "by construction" in result.verdict
    result.save(tmp_path / "report.html")
    assert result.choice in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert result.ask(20, path) >= 20
    table: dict[str, Any] = dict(read_table(path).columns)
    ends = {"search": ("query", "document"), "pairs": ("sentence1", "sentence2")}.get(task)
    label: list[Any] = [topic_of[text] for text in table.get("text", ())]
    if ends is not None:
        both = list(zip(*(table[name] for name in ends), strict=True))
        assert all(one != other for one, other in both), "a query's own document is not asked about"
        label = [int(topic_of[one] == topic_of[other]) for one, other in both]
    write_table(path, {**table, "label": label})
    result = select(data, task=task, labels=str(path))
    assert 0 < result.labels <= 20
    assert result.sample.work == task
    if task == "search":
        own = [result.sample.texts.index(query) for query in result.sample.task.queries]
        grades = result.sample.task.grades
        assert [each[place] for place, each in zip(own, grades, strict=True)] == [-1.0] * len(own)
    if task in ("search", "pairs"):
        assert result.sample.weights is not None
    assert len(result.sample.texts) == 150


def test_the_start_shows_itself_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    select(groups(60), task="cluster")
    assert capfd.readouterr().err == ""
    monkeypatch.setattr("sememe.progress.is_terminal", lambda _: True)
    select(groups(60), task="cluster")
    shown = capfd.readouterr().err
    assert "0 candidates" in shown
    assert f"timing {GOOD.name}" in shown


def test_an_empty_answer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "questions.csv"
    write_table(path, {"text": ["a"], "label": [""]})
    with pytest.raises(InputError, match="nothing in the column label"):
        select({"text": texts(20)[0]}, task="cluster", labels=str(path))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("label", "yes", "line 3: \"label\" is 'yes', not a number"),
        ("weight", "x", "line 3: \"weight\" is 'x', not a number"),
        ("document", "new", "line 3: this document is not in the data; leave it out"),
    ],
)
def test_an_answer_to_a_query_is_refused_by_its_line(
    tmp_path: Path, column: str, value: str, message: str
) -> None:
    path = tmp_path / "questions.csv"
    found = texts(20)[0]
    answers: dict[str, list[Any]] = {
        "query": ["a", "b"], "document": found[:2], "label": [1, 1], "weight": [1, 2]
    }  # fmt: skip
    write_table(path, {**answers, column: [answers[column][0], value]})
    with pytest.raises(SememeError, match=f"^{re.escape(f'{path}, {message}')}"):
        select({"text": found}, task="search", labels=str(path))


@pytest.mark.slow
def test_questions_need_something_without_a_label(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing left without a label"):
        select(groups(220), task="classify").ask(5, tmp_path / "questions.csv")


@pytest.mark.slow
def test_the_command_prints_a_table_and_writes_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], default_model: str
) -> None:
    from sememe.cli.main import main

    data = tmp_path / "labelled.csv"
    write_table(data, pairs(210))
    report = tmp_path / "report.html"
    arguments = ["select", str(data), "--only", "--model", "wordllama", "--report", str(report)]
    assert main([*arguments, "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["choice"] == "wordllama"
    assert values["command"].startswith("sememe pairs texts.csv --model wordllama")
    assert report.read_text(encoding="utf-8").count("<script") == 2
    assert main(arguments) == 0
    assert "wordllama" in capsys.readouterr().out
    assert main(["select", str(data), "--ask", "5"]) == 2
    assert "go together" in capsys.readouterr().err
    del default_model


def test_groups_that_no_candidate_finds_are_said_to_be_none() -> None:
    data = groups(220)
    data["label"] = ["even" if len(text) % 2 == 0 else "odd" for text in data["text"]]
    result = select(data, task="cluster")
    assert "no candidate finds these groups" in result.verdict
    assert "--task classify" in result.verdict
