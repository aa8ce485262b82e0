"""What cannot become a classifier, or is none: one clear line, and nothing left behind."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled_texts import labelled_texts
from safetensors.numpy import load_file, save_file

import sememe
from processes import run_python
from sememe.errors import BlankWarning, CheckpointError, InputError, SememeError, SememeWarning
from sememe.tables import read_table
from static_models import make_model2vec, word_pieces
from tiny_models import Tiny, edit_json

pytestmark = pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning")


def changed(**columns: Any) -> dict[str, Any]:
    return {**labelled_texts(4), **columns}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (changed(label=["energy"] * 12), 'every label is "energy"'),
        (changed(label=["energy"] * 11 + ["school"]), 'have one example only.*"school"'),
        ({"text": ["a", "b", "c"], "label": ["x", "x", "y"]}, "3 rows"),
        (changed(label=[[0, 1]] * 12), "of type list, .*several labels for one text are not supp"),
        ({"anchor": [*"abcd"], "positive": [*"efgh"]}, "holds pairs.*text, label"),
        ({"text": [*"aabb"], "label": [*"xxyy"]}, "all examples of .* would be held out"),
    ],
)
def test_data_that_cannot_be_used(
    tiny: Tiny, tmp_path: Path, data: dict[str, Any], said: str
) -> None:
    with pytest.raises(SememeError, match=said):
        sememe.train_classifier(data, tmp_path / "c", how="probe", model=tiny.directory)
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"how": "setfit"}, "how='setfit'|how must be|setfit"),
        ({"how": "few-shot", "epochs": 0}, "epochs"),
        ({"how": "few-shot", "epochs": -1}, "epochs"),
        ({"how": "fine-tune", "batch_size": 1}, "batch_size=1"),
        ({"how": "fine-tune", "learning_rate": 1e30, "epochs": 3}, "lower learning_rate"),
        ({"how": "probe", "epochs": -1}, "epochs=-1"),
        ({"how": "probe", "epochs": True}, "epochs=True: give a number"),
        ({"how": "probe", "seed": "x"}, "seed='x': give a whole number"),
        (
            {"dev": changed(label=[*"abcd"] * 3)},
            'index 0: "label" is "a", a label that no training example has',
        ),
    ],
)
def test_options_that_cannot_be_used(
    shallow: Tiny, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    data = labelled_texts(12)
    with pytest.raises(SememeError, match=said):
        sememe.train_classifier(data, tmp_path / "c", model=shallow.directory, **options)
    if said != "lower learning_rate":
        assert not any(tmp_path.iterdir())
        return
    # What was found out in training leaves the probe, and does not stand in a better call's way.
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
    assert sememe.Classifier(tmp_path / "c", precision="f32").predict(["nuclear power wind"])
    options = {**options, "learning_rate": 1e-4, "epochs": 1}
    sememe.train_classifier(data, tmp_path / "c", model=shallow.directory, **options)
    assert not (tmp_path / "c" / "unfinished.txt").exists()


def test_a_folder_with_something_in_it_is_left_alone(tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="new or empty folder"):
        sememe.train_classifier(labelled_texts(4), tmp_path, model=tiny.directory)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_static_encoder_can_be_probed_and_not_tuned(tmp_path: Path) -> None:
    make_model2vec(tmp_path / "static", word_pieces())
    data, model = labelled_texts(20), tmp_path / "static"
    with pytest.raises(InputError, match=r"static encoder.*--how probe"):
        sememe.train_classifier(data, tmp_path / "c", how="few-shot", model=model)
    done = sememe.train_classifier(data, tmp_path / "c", model=model)
    assert done.better
    assert sememe.Classifier(tmp_path / "c").predict(["nuclear power wind"]) == ["energy"]


@pytest.fixture(scope="module")
def trained(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("trained") / "classifier"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sememe.classification.training._FOLDS", 2)
        sememe.train_classifier(labelled_texts(6), output, how="probe", model=tiny.directory)
    return output


@pytest.fixture
def saved(trained: Path, tmp_path: Path) -> Path:
    """A classifier that a test may damage."""
    return Path(shutil.copytree(trained, tmp_path / "classifier"))


def test_labels_are_no_folder() -> None:
    texts, labels = labelled_texts(6).values()
    with pytest.raises(InputError, match=r"output=\[.*: give a folder for the classifier"):
        sememe.train_classifier(texts, labels)


def test_an_encoder_is_no_classifier(tiny: Tiny) -> None:
    with pytest.raises(CheckpointError, match=r"has no classifier\.json.*sememe train classifier"):
        sememe.Classifier(tiny.directory)


def test_evaluating_measures_a_classifiers_encoder_and_says_so(trained: Path) -> None:
    with pytest.warns(SememeWarning, match="is a classifier; here its encoder is measured"):
        sememe.evaluate(trained, labelled_texts(20), task="classes")


@pytest.mark.filterwarnings("error::sememe.errors.SememeWarning")
def test_an_encoder_without_a_name_is_not_the_classifier_of_the_working_folder(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lengths:
        def encode(self, texts: list[str]) -> Any:
            return np.array([[len(text), text.count(" "), 1.0] for text in texts])

    monkeypatch.chdir(trained)
    sememe.evaluate(Lengths(), labelled_texts(20), task="classes")


@pytest.mark.slow
def test_a_later_format_is_not_guessed_at(saved: Path) -> None:
    edit_json(saved / "classifier.json", format=2)
    with pytest.raises(CheckpointError, match=r"classifier\.json: the format is 2"):
        sememe.Classifier(saved)


@pytest.mark.slow
@pytest.mark.parametrize("cut", ["labels", "dim", "file"])
def test_damaged_layers_are_refused(saved: Path, cut: str) -> None:
    file = saved / "classifier.safetensors"
    layer = load_file(file)
    if cut == "labels":
        layer = {"weight": layer["weight"][1:], "bias": layer["bias"]}
    if cut == "dim":
        layer["weight"] = layer["weight"][:, 1:].copy()
    save_file(layer, file)
    if cut == "file":
        file.write_bytes(file.read_bytes()[:-8])
    said = "they are not of the same training" if cut == "dim" else r"classifier\.safetensors"
    with pytest.raises(CheckpointError, match=said):
        sememe.Classifier(saved, precision="f32")


@pytest.mark.slow
def test_texts_that_cannot_be_labelled(trained: Path) -> None:
    classifier = sememe.Classifier(trained, precision="f32")
    with pytest.raises(InputError, match=r"texts\[1\]"):
        classifier.predict(["a", None])  # type: ignore[list-item]
    with pytest.raises(InputError, match="single str"):
        classifier.predict("a")
    assert classifier.predict([]) == []
    assert classifier.predict_proba([]).shape == (0, 3)
    assert classifier.predict(["日本"])[0] in classifier.labels


@pytest.mark.slow
def test_a_blank_text_has_no_label(trained: Path, tmp_path: Path) -> None:
    classifier = sememe.Classifier(trained, precision="f32")
    texts = ["", "nuclear power wind", " \t"]
    with pytest.warns(BlankWarning, match=r"2 of 3 texts are blank \(texts\[0\], texts\[2\]\)"):
        assert classifier.predict(texts) == [None, "energy", None]
    with pytest.warns(BlankWarning):
        found = classifier.predict_proba(texts)
    assert np.isnan(found).all(axis=1).tolist() == [True, False, True]
    assert found[1].tobytes() == classifier.predict_proba([texts[1]])[0].tobytes()
    with pytest.warns(SememeWarning, match=r"2 of 3 .* blank \(row 1, row 3\) and without a label"):
        done = classifier.predict_to(texts, tmp_path / "x.jsonl")
    assert (done.rows, done.blank) == (3, 2)
    rows = read_table(tmp_path / "x.jsonl").columns
    assert (rows["text"], rows["label"]) == (texts, [None, "energy", None])
    assert [value is None for value in rows["probability"]] == [True, False, True]


TRAIN = """
import sys, warnings
warnings.simplefilter("ignore")
absent = set()
class Absent:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Absent())
import sememe
for number, (how, name, _) in enumerate({cases!r}):
    absent.clear()
    absent.add(name)
    output = f"{output}-{{number}}"
    try:
        sememe.train_classifier({data!r}, output, how=how, model={model!r})
    except sememe.errors.MissingExtra as error:
        print(error)
    else:
        loaded = [name for name in ("torch", "transformers", "accelerate") if name in sys.modules]
        print(sememe.Classifier(output).labels, loaded)
"""


@pytest.mark.slow
def test_a_probe_needs_no_torch_and_what_is_missing_is_named(shallow: Tiny, tmp_path: Path) -> None:
    trained = "['energy', 'school', 'travel'] []"
    cases = [
        ("probe", "sklearn", 'needed for training a classifier: pip install "scikit-learn>=1.5"'),
        ("few-shot", "torch", 'needed for training: pip install "torch>=2.6"'),
        ("auto", "torch", trained),
        ("probe", "", trained),
        ("fine-tune", "accelerate", "accelerate is not installed; needed for training"),
    ]
    code = TRAIN.format(
        cases=cases,
        data=labelled_texts(6),
        output=str(tmp_path / "c"),
        model=str(shallow.directory),
    )
    lines = run_python(code).stdout.splitlines()
    for (*_, message), line in zip(cases, lines, strict=True):
        assert message in line


@pytest.mark.slow
def test_labelling_imports_no_torch(trained: Path) -> None:
    ran = run_python(
        f"""
        import sys, sememe
        sememe.Classifier({str(trained)!r}, precision="f32").predict(["a"])
        absent = ("torch", "transformers", "sklearn", "scipy", "accelerate")
        print([name for name in absent if name in sys.modules])
        """
    )
    assert ran.stdout.strip() == "[]"
