"""Transformers as students: layers kept, sizes that differ, kills, full disks, verdicts."""

import json
import re
import resource
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_distilling import Scores, Words, made_texts

from sememe import BiEncoder, distill
from sememe.checkpoint import Checkpoint, read
from sememe.checkpoint.modules import Pooling
from sememe.engines.torch.transformer import load_transformer
from sememe.errors import InputError, JobError, SememeError, SememeWarning
from sememe.neighbors import normalized
from sememe.tables import write_table
from sememe.training.losses.loss import Outputs
from sememe.training.losses.taught import VectorLoss
from sememe.training.transformer_student import _cut
from tiny_architectures import KINDS, make
from tiny_models import make_checkpoint, random_bert
from training_processes import finish, start

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning"),
    pytest.mark.filterwarnings("ignore::sememe.errors.CostWarning"),
]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four layers, of which each does little: what two of them give is near."""
    bert = random_bert(num_hidden_layers=4)
    for layer in bert.encoder.layer:
        for part in (layer.attention.output.dense, layer.output.dense):
            part.weight.data *= 0.3
    folder = tmp_path_factory.mktemp("teacher") / "model"
    return make_checkpoint(folder, bert=bert, head=["normalize"]).directory


def taught(teacher: Any, output: Path, **options: Any) -> Any:
    """A student, after a few steps: what it learns by them is for the tests that give it longer."""
    return distill(made_texts(), output, teacher=teacher, **{"budget": "1s", **options})


def test_the_loss_is_half_the_squared_distance_of_unit_vectors() -> None:
    random = np.random.default_rng(0)
    vectors, targets = random.normal(size=(2, 9, 5)).astype(np.float32)
    apart = normalized(vectors) - normalized(targets)
    outputs = Outputs([torch.from_numpy(vectors)], torch.from_numpy(targets), torch.zeros(9, 1))
    expected = (apart**2).sum(1).mean() / 2
    assert float(VectorLoss()(outputs)) == pytest.approx(expected, abs=1e-6)


def test_layers_are_kept_from_the_first_to_the_last(teacher: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    done = taught(teacher, tmp_path / "s", layers=3, budget="5s")
    student, original = read(tmp_path / "s"), read(teacher)
    assert student.layers == 3
    for new, old in enumerate((0, 2, 3)):  # evenly between; a half goes to the even one
        name = "encoder.layer.{}.attention.self.query.bias"
        shape = student.weights.shape(name.format(new))
        ours, theirs = (
            model.weights.get(name.format(number), shape)
            for model, number in ((student, new), (original, old))
        )
        assert np.corrcoef(ours, theirs)[0, 1] > 0.9, "trained, and the same layer still"
    table = "embeddings.word_embeddings.weight"
    shape = original.weights.shape(table)
    kept = student.weights.get(table, shape)
    assert np.array_equal(kept, original.weights.get(table, shape)), "tokens keep their vectors"
    assert done.after.value > done.before.value
    reasons = {choice.name: choice.why for choice in done.choices}
    assert (reasons["how"], reasons["layers"]) == ("asked for", "asked for")
    assert reasons["student"] == "the teacher itself"
    assert {"budget", "speed", "size", "time", "epochs"} < reasons.keys()
    texts = made_texts(5)
    theirs = SentenceTransformer(str(tmp_path / "s"), device="cpu").encode(texts)
    ours = BiEncoder(tmp_path / "s", precision="f32").encode(texts)
    assert np.allclose(ours, theirs, atol=1e-5)
    assert (tmp_path / "s" / "distillation.html").is_file()
    (int8,) = [choice for choice in done.choices if choice.name == "int8"]
    assert int8.value == "measured"
    quantized = BiEncoder(tmp_path / "s", precision="int8").encode(texts)
    assert (normalized(quantized) * normalized(ours)).sum(1).min() > 0.98
    # Documents by the teacher, queries by the student: the sizes agree, and so do the spaces.
    unseen = made_texts(400)[300:]
    documents, queries = (
        BiEncoder(each, precision="f32").encode(unseen) for each in (teacher, tmp_path / "s")
    )
    cosines = normalized(queries - queries.mean(0)) @ normalized(documents - documents.mean(0)).T
    ranks = np.argsort(np.argsort(-cosines, axis=1), axis=1)
    assert np.diag(ranks).mean() < 25, "49.5 by chance"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_architecture_can_be_cut(tmp_path: Path, kind: str) -> None:
    made = make(tmp_path / "made", kind, num_hidden_layers=4)
    original = replace(read(made.encoder), pooling=Pooling())
    cut = read_back(_cut(original, 3, tmp_path / "cut"))
    expected = read_back(original)
    (stack,) = [
        (module, name)
        for module in expected.modules()
        for name, child in module.named_children()
        if isinstance(child, torch.nn.ModuleList) and len(child) == 4
    ]
    layers = getattr(*stack)
    setattr(*stack, torch.nn.ModuleList([layers[i] for i in (0, 2, 3)]))
    ids = torch.randint(5, 20, (2, 9), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(cut(ids)[0], expected(ids)[0], atol=1e-5)


def read_back(checkpoint: Checkpoint) -> Any:
    return load_transformer(checkpoint, Pooling(), torch.float32, trust_remote_code=False)


def test_a_given_student_of_another_size_and_tokenizer_learns(tmp_path: Path) -> None:
    cased = make_checkpoint(tmp_path / "cased", casing="cased", seed=3).directory
    write_table(tmp_path / "v.parquet", {"vector": [*Words().encode(made_texts())]})
    done = taught(tmp_path / "v.parquet", tmp_path / "s", student=cased, budget="5s")
    losses, fidelity = done.history.losses, [value for _, value in done.history.evaluations]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    assert max(fidelity) > fidelity[0]
    assert BiEncoder(tmp_path / "s").dim == 24
    both = taught([Words(), cased], tmp_path / "both", student=cased, dim=8)
    assert both.after is not None
    assert BiEncoder(tmp_path / "both").dim == 8


def test_principal_axes_come_first_so_that_vectors_can_be_cut(
    teacher: Path, tmp_path: Path
) -> None:
    taught(teacher, tmp_path / "s", student=teacher, dim=32)
    texts = made_texts(400)[300:]
    full, expected = BiEncoder(tmp_path / "s").encode(texts), BiEncoder(teacher).encode(texts)
    gold = (expected @ expected.T)[np.triu_indices(len(texts), 1)]

    def agreement(vectors: Any) -> float:
        cosines = (normalized(vectors) @ normalized(vectors).T)[np.triu_indices(len(texts), 1)]
        return float(np.corrcoef(cosines, gold)[0, 1])

    assert agreement(full[:, :8]) > agreement(full[:, -8:])


def _distil(teacher: Path, output: Path, room: int | None, message: Path) -> None:
    if room is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        taught(teacher, output, layers=2, budget="2s", seed=1)
    except SememeError as error:
        message.write_text(f"{type(error).__name__}: {error}")


def test_killed_or_on_a_full_disk_it_resumes_with_the_teachers_vectors(
    teacher: Path, tmp_path: Path
) -> None:
    output, message = tmp_path / "s", tmp_path / "message.txt"
    work = tmp_path / "s.distilling"
    process = start(_distil, teacher, output, None, message)
    while process.is_alive() and not (work / "start").exists() and not [*work.glob("part-*")]:
        time.sleep(0.001)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not output.exists()
    assert finish(start(_distil, teacher, output, 20_000, message)) == [0]
    # Where it was killed decides which file has no room first.
    assert re.search(r"cannot be written: .*too large|is the disk full\?", message.read_text())
    assert "\n" not in message.read_text()
    with pytest.raises(JobError, match="begun with seed 1, and now it is 2"):
        taught(teacher, output, layers=2, budget="2s", seed=2)
    message.unlink()
    _distil(teacher, output, None, message)
    assert not message.exists(), message.read_text()
    assert BiEncoder(output).dim == 32
    assert not work.exists()


@pytest.mark.filterwarnings("ignore::sememe.errors.SememeWarning")
def test_labels_judge_with_the_prompts_that_the_student_has(tmp_path: Path) -> None:
    prompts = {"query": "the bus", "document": "solar wind"}
    student = make_checkpoint(tmp_path / "m", prompts=prompts).directory
    texts = made_texts(400)[300:]
    dev = {"anchor": texts[::2], "positive": texts[1::2]}
    done = taught(Words(), tmp_path / "s", student=student, dev=dev)
    for interval, folder in ((done.before, student), (done.after, tmp_path / "s")):
        encoder = BiEncoder(folder, precision="f32")
        queries, answers = (
            encoder.encode([prompts[kind] + text for text in dev[column]])
            for kind, column in (("query", "anchor"), ("document", "positive"))
        )
        cosines = normalized(queries) @ normalized(answers).T
        ranks = 1 + (cosines > np.diag(cosines)[:, None]).sum(1)
        expected = np.where(ranks <= 10, 1 / ranks, 0).mean()
        assert interval.value == pytest.approx(expected, abs=0.02)  # bf16 swaps a few
    assert done.last.metric == "MRR@10"


def test_labels_judge_student_and_teacher(teacher: Path, tmp_path: Path) -> None:
    texts = made_texts(400)[300:]
    first, second = texts[::2], texts[1::2]
    gold = Words()
    score = (gold.encode(first) * gold.encode(second)).sum(1)
    dev = {"sentence1": first, "sentence2": second, "score": ((score + 1) / 2).tolist()}
    done = taught(Words(), tmp_path / "s", student=teacher, dev=dev)
    assert done.last.metric == "Spearman"
    names = [measured.metric for measured in done.further]
    assert names == [
        "Spearman with the teacher",
        "pairs in the teacher's order",
        "the teacher's Spearman",
    ]
    assert done.further[-1].value == pytest.approx(1, abs=1e-3)
    (praise,) = [choice for choice in done.choices if choice.name == "teacher"]
    assert praise.value == "better"
    written = json.loads((tmp_path / "s" / "distillation.json").read_text())
    assert written["further"].keys() == set(names)
    for name in names[:2]:
        figure = written["further"][name]
        gain = figure["value"] - figure["before"]["value"]
        assert figure["comparison"]["difference"] == pytest.approx(gain)
    assert "before" not in written["further"][names[2]]
    html = (tmp_path / "s" / "distillation.html").read_text()
    assert "taught by Words from 270 texts" in html


def test_a_teacher_that_is_worse_than_the_student_is_named_with_its_figures(
    teacher: Path, tmp_path: Path
) -> None:
    texts = made_texts(400)[300:]
    first, second = texts[::2], texts[1::2]
    own = BiEncoder(teacher, precision="f32")
    score = (own.encode(first) * own.encode(second)).sum(1)
    dev = {"sentence1": first, "sentence2": second, "score": ((score + 1) / 2).tolist()}
    with pytest.warns(
        SememeWarning, match=r"not better than the student before: Spearman .* against 99\.\d"
    ):
        done = taught(Words(), tmp_path / "s", student=teacher, dev=dev)
    assert not done.better
    assert ("teacher", "not better") in [(choice.name, choice.value) for choice in done.choices]


def test_kinds_of_teachers_are_not_mixed(teacher: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="all be cross-encoders, or all bi-encoders"):
        taught([teacher, Scores(lambda *_: 1.0)], tmp_path / "s")
