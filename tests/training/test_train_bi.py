"""A whole run for bi-encoders: from a table to a checkpoint, and an honest word on it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentence_transformers
import torch
from learners import QUICK, make_learner

import sememe
from commands import sememe as command
from sememe.errors import ChoiceWarning, InputError
from sememe.evaluation.measures import measure_bi
from sememe.training.plan import make_plan
from static_models import make_model2vec, word_pieces
from tiny_models import make_checkpoint
from training_tables import KINDS, table, texts, write_csv

pytestmark = pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning")
TEXTS = texts([0, 1, 2, 3] * 3, seed=7)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_learner(tmp_path_factory.mktemp("bi") / "model")


def opened(folder: Path) -> Any:
    return sememe.BiEncoder(folder, precision="f32").encode(TEXTS, normalize=False)


# So many rows and epochs show it.
ENOUGH = {"scored pairs": (300, 6), "labelled texts": (200, 6)}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_data_makes_a_better_model(tmp_path: Path, model: Path, kind: str) -> None:
    rows, epochs = ENOUGH.get(kind, (300, 4))
    data = write_csv(tmp_path / "data.csv", table(kind, rows))
    done = sememe.train_bi(data, tmp_path / "made", model=model, **{**QUICK, "epochs": epochs})
    assert {path.name for path in tmp_path.iterdir()} == {"data.csv", "made"}
    assert done.better
    assert done.verdict.startswith("Better: ")
    assert done.first is not None
    assert done.last is not None
    assert done.last.value > done.first.value

    # The figures are those of what was saved, on what was held out.
    held = make_plan(data, None, dict(QUICK), cross=False).test
    assert held is not None
    for found, saved in ((done.first, model), (done.last, tmp_path / "made")):
        again = measure_bi(
            held, sememe.BiEncoder(saved, precision="f32").encode, held.positive_label
        )
        assert again.metric == found.metric
        assert again.value == pytest.approx(found.value, abs=1e-3)

    report = json.loads((tmp_path / "made" / "training.json").read_text(encoding="utf-8"))
    assert report["better"] is True
    assert report["verdict"] == done.verdict
    assert report["losses"] == done.history.losses
    assert report["after"]["value"] == pytest.approx(done.last.value)
    assert {choice["name"] for choice in report["choices"]} >= {"loss", "batch_size", "epochs"}
    page = (tmp_path / "made" / "training.html").read_text(encoding="utf-8")
    assert done.last.metric in page
    assert "<script src" not in page


@pytest.mark.slow
def test_a_teachers_logits_teach_the_order_of_unseen_triplets(tmp_path: Path, model: Path) -> None:
    columns, random = table("taught triplets", 300), np.random.default_rng(0)
    columns["positive_score"] = random.uniform(3, 11, 300).tolist()
    columns["negative_score"] = random.uniform(-11, -2, 300).tolist()
    with pytest.warns(ChoiceWarning, match=r"loss_options {'scale': 19.* scores are logits"):
        done = sememe.train_bi(columns, tmp_path / "made", model=model, **QUICK)
    assert done.better, done.verdict


@pytest.mark.slow
def test_what_is_saved_opens_anywhere(tmp_path: Path, model: Path) -> None:
    data = write_csv(tmp_path / "data.csv", table("triplets", 60))
    sememe.train_bi(data, tmp_path / "made", model=model, **QUICK)
    found = opened(tmp_path / "made")
    assert np.abs(found - opened(model)).max() > 0.1
    theirs = sentence_transformers.SentenceTransformer(str(tmp_path / "made"), device="cpu")
    np.testing.assert_allclose(theirs.encode(TEXTS), found, atol=1e-5)


@pytest.mark.slow
def test_scores_that_mean_nothing_make_no_better_model(tmp_path: Path, model: Path) -> None:
    columns = table("scored pairs", 200)
    np.random.default_rng(1).shuffle(columns["score"])
    done = sememe.train_bi(columns, tmp_path / "made", model=model, **QUICK)
    assert done.better is False
    assert not done.verdict.startswith("Better")
    assert "%" not in done.verdict
    assert json.loads((tmp_path / "made" / "training.json").read_text())["better"] is False


@pytest.mark.slow
def test_a_run_that_improved_nothing_saves_what_it_began_with(tmp_path: Path, model: Path) -> None:
    done = sememe.train_bi(
        table("triplets", 60), tmp_path / "made", model=model, **{**QUICK, "learning_rate": 1e-9}
    )
    assert done.history.best == 0
    assert done.verdict.startswith("Not better: no step improved it")
    np.testing.assert_allclose(opened(tmp_path / "made"), opened(model), atol=1e-6)


@pytest.mark.slow
def test_without_anything_held_out_nothing_is_claimed(tmp_path: Path, model: Path) -> None:
    done = sememe.train_bi(table("pairs", 60), tmp_path / "made", model=model, dev="none", **QUICK)
    assert (done.better, done.before, done.after) == (None, None, None)
    assert done.verdict == ("Nothing was held out, so it is not known whether the model is better.")
    assert len(done.history.losses) == 4 * len(range(0, 60, 16))
    report = json.loads((tmp_path / "made" / "training.json").read_text())
    assert (report["better"], report["metric"], report["before"]) == (None, None, None)
    assert (tmp_path / "made" / "training.html").is_file()


@pytest.mark.slow
def test_examples_to_measure_on_may_be_a_file(tmp_path: Path, model: Path) -> None:
    data, dev = (
        write_csv(tmp_path / f"{name}.csv", table("triplets", rows, seed))
        for name, rows, seed in (("data", 80, 0), ("dev", 60, 1))
    )
    done = sememe.train_bi(data, tmp_path / "made", model=model, dev=dev, **QUICK)
    assert done.last is not None
    assert len(done.last.values) == 30
    assert f"{len(done.last.values)} examples held out" in done.verdict


@pytest.mark.slow
def test_choices_are_said_with_their_reasons(tmp_path: Path, model: Path) -> None:
    with pytest.warns(ChoiceWarning, match=r"loss ranking \(.*beat.*epochs 10 \(about 20,000"):
        sememe.train_bi(table("pairs", 40), tmp_path / "made", model=model, device="cpu")


# --- the same again ---


VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "LoRA": {"lora": 2},
    "a loss's own weights": {"loss": "softmax", "positive": "1"},
    "Matryoshka": {"matryoshka": (32, 8)},
    "bf16": {"precision": "bf16"},
}


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_seed_gives_the_same_model_and_another_another(
    tmp_path: Path, model: Path, variant: str
) -> None:
    options = {**QUICK, "epochs": 2, "dev": "none", **VARIANTS[variant]}
    data = table("labelled pairs", 40)
    for name, seed, drawn in (("a", 1, 5), ("b", 1, 6), ("c", 2, 5)):
        torch.manual_seed(drawn)  # whatever was drawn before is nothing to it
        sememe.train_bi(data, tmp_path / name, model=model, seed=seed, **options)
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in "abc"]
    assert files[0] == files[1] != files[2]


def test_matryoshka_takes_the_loss_of_short_vectors_too(tmp_path: Path, model: Path) -> None:
    options = {**QUICK, "epochs": 0.1, "dev": "none"}
    alone, both = (
        sememe.train_bi(table("triplets", 40), tmp_path / name, model=model, matryoshka=dims,
                        **options).history.losses[0]
        for name, dims in (("alone", None), ("both", (32, 4)))
    )  # fmt: skip
    assert both > 1.5 * alone


@pytest.mark.slow
def test_several_data_sets_are_drawn_by_their_weights(tmp_path: Path, model: Path) -> None:
    triplets = write_csv(tmp_path / "triplets.csv", table("triplets", 200))
    labels = write_csv(tmp_path / "labels.csv", table("labelled texts", 60, seed=1))
    scored = write_csv(tmp_path / "scored.csv", table("scored pairs", 60, seed=2))
    data = [triplets, labels, scored]
    done = sememe.train_bi(data, tmp_path / "made", model=model, weights=(2, 1, 1), **QUICK)
    assert done.better
    # Of 10, 4 and 4 batches, 9, 4 and 4 are drawn: as near to 2, 1 and 1 of 18 as it gets.
    assert len(done.history.losses) == 4 * (9 + 4 + 4)


@pytest.mark.slow
def test_a_regular_transformer_can_be_trained(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "base", layout="plain")
    sememe.train_bi(table("pairs", 60), tmp_path / "made", model=tmp_path / "base", **QUICK)
    encoder = sememe.BiEncoder(tmp_path / "made")  # no guess is needed now
    assert encoder.encode(TEXTS).shape == (len(TEXTS), 32)


@pytest.mark.slow
def test_logs_are_written_where_they_are_asked_for(tmp_path: Path, model: Path) -> None:
    sememe.train_bi(
        table("pairs", 40), tmp_path / "made", model=model, log="tensorboard",
        log_directory=str(tmp_path / "logs"), **QUICK,
    )  # fmt: skip
    assert list((tmp_path / "logs").rglob("events.out.*"))


# --- what cannot be ---


def test_a_folder_in_use_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "thesis.tex").touch()
    with pytest.raises(
        InputError, match="made is there already; a model is saved to a new or empty"
    ):
        sememe.train_bi(tmp_path / "no.csv", tmp_path / "made", model=tmp_path / "no model")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "bce"}, "The loss 'bce' is not known; .*there are ranking"),
        ({"lora": 0}, "lora=0: give a whole number of at least 1"),
        ({"matryoshka": [8, 32]}, "dims must decrease"),
        ({"matryoshka": [64]}, "The vectors have 32 dimensions: there is no dim 64"),
        ({"learning_rate": 1e37}, r"not a number at step \d+ .*Take a lower learning_rate"),
        ({"weights": [1.0, 2.0]}, "2 weights for 1 data sets"),
        ({"weights": [-1.0]}, "weights=-1.0: give a number above 0"),
        ({"matryoshka": 5}, "matryoshka=5: give sizes, as in"),
        ({"matryoshka": [True]}, "matryoshka=True: give a whole number"),
    ],
)
def test_what_leads_nowhere_is_said_and_leaves_nothing_behind(
    tmp_path: Path, model: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        sememe.train_bi(table("pairs", 40), tmp_path / "made", model=model, **{**QUICK, **options})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("train", [sememe.train_bi, sememe.train_cross])
def test_an_option_that_does_not_exist_is_refused(tmp_path: Path, train: Any) -> None:
    for name in ("bananas", "learning_rat"):
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
            train(table("pairs", 40), tmp_path / "made", **{name: 1})
    assert list(tmp_path.iterdir()) == []


BAD: dict[str, tuple[str, str]] = {
    "a score out of range": (
        "sentence1,sentence2,score\na,b,0.5\nc,d,0.7\ne,f,7\ng,h,1\n",
        r"data\.csv, line 4: the score 7 is not from 0 to 5; .*--score-range",
    ),
    "one score": (
        "sentence1,sentence2,score\na,b,1\nc,d,1\ne,f,1\ng,h,1\n",
        r"data\.csv: every score is 1: nothing to learn",
    ),
    "one label": ("text,label\na,x\nb,x\nc,x\nd,x\n", r'every label is "x"; at least two'),
    "a class with one example": (
        "text,label\na,x\nb,x\nc,y\nd,y\ne,z\n", r'1 have one example only.*: "z"'
    ),
    "three rows": ("anchor,positive\na,b\nc,d\ne,f\n", r"3 rows; training needs at least 4"),
    "NaN": (
        "sentence1,sentence2,score\na,b,0.5\nc,d,nan\ne,f,0.7\ng,h,1\n",
        r"data\.csv, line 3: \"score\" is 'nan', not a number",
    ),
    "a text that is missing": (
        "anchor,positive\na,b\nc,\ne,f\ng,h\n", r"data\.csv: 3 rows; training needs at least 4"
    ),
    "an anchor that is its negative": (
        "anchor,positive,negative\na,b,c\nd,e,d\ng,h,i\nj,k,l\n",
        r'data\.csv, line 3: "negative" is the same text as "anchor"',
    ),
    "columns of no kind": ("question,answer\na,b\nc,d\ne,f\ng,h\n", "None of these"),
    "nothing": ("", r"data\.csv is empty"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::sememe.errors.BlankWarning")
@pytest.mark.parametrize("case", BAD)
def test_bad_data_are_one_clear_error(tmp_path: Path, model: Path, case: str) -> None:
    content, message = BAD[case]
    data = tmp_path / "data.csv"
    data.write_text(content)
    with pytest.raises(sememe.errors.SememeError, match=message) as raised:
        sememe.train_bi(data, tmp_path / "made", model=model, **QUICK)
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == [data]


def test_a_static_encoder_is_refused(tmp_path: Path) -> None:
    make_model2vec(tmp_path / "static", word_pieces())
    with pytest.raises(InputError, match="is a static encoder: it has no transformer"):
        sememe.train_bi(table("pairs", 40), tmp_path / "made", model=tmp_path / "static")


@pytest.mark.slow
def test_columns_of_other_names_train_the_same_model(tmp_path: Path, model: Path) -> None:
    pairs = table("pairs", 60)
    renamed = {"q": pairs["anchor"], "a": pairs["positive"], "id": [*range(60)]}
    columns, options = {"anchor": "q", "positive": "a"}, {**QUICK, "epochs": 1}
    sememe.train_bi(pairs, tmp_path / "plain", model=model, **options)
    sememe.train_bi(renamed, tmp_path / "python", model=model, columns=columns, dev=None, **options)
    write_csv(tmp_path / "faq.csv", renamed)
    line = ["--columns", "anchor=q,positive=a", "--model", model, "--precision", "f32"]
    line += ["--epochs", 1, "--batch-size", 16, "--learning-rate", 1e-2, "--device", "cpu"]
    done = command("train", "bi", tmp_path / "faq.csv", "-o", tmp_path / "shell", *line)
    assert done.returncode == 0, done.stderr
    weights = [(tmp_path / n / "model.safetensors").read_bytes() for n in ("plain", "python")]
    assert weights[0] == weights[1] == (tmp_path / "shell" / "model.safetensors").read_bytes()
