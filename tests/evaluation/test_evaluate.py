"""Models side by side: figures with intervals, paired tests, and a failure that stops nobody."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sememe
from sememe import BiEncoder, CrossEncoder
from sememe.encoders.vectors import unit
from sememe.errors import InputError, MissingExtra, SememeWarning
from sememe.evaluation.flow import _corrected
from sememe.evaluation.result import Evaluation
from sememe.evaluation.systems import EncoderSystem, ScorerSystem, as_system
from tiny_models import Tiny, make_cross_encoder

WORDS = ["power", "wind", "solar", "bus", "train", "road", "school", "book", "film", "city"]
TEXTS = [f"the {a} and the {b}" for a in WORDS for b in WORDS[:6]]
N = len(TEXTS)


class Letters:
    """An encoder of one's own: how often each letter comes."""

    def encode(self, texts: list[str]) -> Any:
        return np.array([[text.count(chr(97 + i)) for i in range(26)] for text in texts])


class Noise:
    """An encoder that knows nothing of its texts."""

    def encode(self, texts: list[str]) -> Any:
        return np.random.default_rng(0).normal(size=(len(texts), 8))


@pytest.fixture(scope="module")
def scored() -> dict[str, Any]:
    """Pairs whose scores are the cosines of letters, so that `Letters` is right."""
    first, second = TEXTS, TEXTS[::-1]
    a, b = (unit(Letters().encode(texts).astype(float)) for texts in (first, second))
    return {"sentence1": first, "sentence2": second, "score": (a * b).sum(1).tolist()}


@pytest.fixture(scope="module")
def done(scored: dict[str, Any], encoder: BiEncoder) -> Evaluation:
    models = {"letters": Letters(), "noise": Noise(), "tiny": encoder}
    return sememe.evaluate(models, scored)


@pytest.mark.slow
def test_the_best_comes_first_and_each_two_are_tested(done: Evaluation) -> None:
    assert done.rows[0].model == "letters"
    assert (done.kind, done.items, done.metric) == ("similarity", N, "Spearman")
    assert done.rows[0].main.value == pytest.approx(1)
    for row in done.rows:
        for figure in row.figures.values():
            assert figure.low <= figure.value <= figure.high
    assert {(each.first, each.second) for each in done.differences} == {
        ("letters", "noise"), ("letters", "tiny"), ("noise", "tiny")
    }  # fmt: skip
    figures = {row.model: row.main.value for row in done.rows}
    for each in done.differences:
        assert each.difference == pytest.approx(figures[each.first] - figures[each.second])


@pytest.mark.slow
def test_the_same_draws_give_what_each_measurement_gives_alone(
    done: Evaluation, scored: dict[str, Any], encoder: BiEncoder
) -> None:
    from sememe.evaluation.tasks import load_task

    task = load_task(scored)
    letters, tiny = (task.measure(EncoderSystem(each)) for each in (Letters(), encoder))
    row = next(row for row in done.rows if row.model == "tiny")
    for metric, measurement in tiny.items():
        assert row.figures[metric] == measurement.interval()
    alone = letters["Spearman"].against(tiny["Spearman"])
    beside = next(each for each in done.differences if each.second == "tiny")
    assert (beside.low, beside.high) == (alone.low, alone.high)
    assert beside.p >= alone.p


@pytest.mark.slow
def test_words_table_json_and_frame_say_the_same(done: Evaluation) -> None:
    assert done.verdict.startswith("letters: Spearman 100.0 (98.3 to 100.0), the highest.")
    assert "noise is" in done.verdict
    lines = repr(done).splitlines()
    assert lines[0] == "the data: similarity, 60 items"
    assert lines[2].split()[:3] == ["model", "Spearman", "(95"]
    summary = json.loads(json.dumps(done.summary()))
    assert summary["rows"][0]["figures"]["Spearman"]["value"] == done.rows[0].main.value
    assert summary["differences"][0]["p"] == done.differences[0].p
    frame = done.to_frame()
    assert frame["Spearman low"].tolist() == [row.main.low for row in done.rows]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*is not measured")
def test_a_model_that_fails_is_reported_and_the_others_go_on(scored: dict[str, Any]) -> None:
    class Broken:
        def encode(self, texts: list[str]) -> Any:
            raise RuntimeError(f"no {len(texts)} texts today")

    class NotFinite:
        def encode(self, texts: list[str]) -> Any:
            return np.full((len(texts), 4), np.nan)

    models = ["no-such-model-anywhere", Broken(), NotFinite(), 7, Letters()]
    done = sememe.evaluate(models, scored)
    assert [row.model for row in done.rows] == ["Letters"]
    assert list(done.failures) == ["no-such-model-anywhere", "Broken", "NotFinite", "7"]
    assert done.failures["Broken"] == "RuntimeError: no 60 texts today"
    assert "not a finite number" in done.failures["NotFinite"]
    assert "is no model" in done.failures["7"]
    with pytest.raises(
        InputError,
        match="No model can be measured on the data: Broken is not measured: RuntimeError: no 60",
    ):
        sememe.evaluate(Broken(), scored)
    with pytest.raises(InputError, match="There is no model"):
        sememe.evaluate([], scored)


@pytest.mark.slow
def test_models_of_one_name_are_told_apart(scored: dict[str, Any]) -> None:
    done = sememe.evaluate([Letters(), Letters()], scored)
    assert {row.model for row in done.rows} == {"Letters", "Letters (2)"}
    assert done.differences[0].p == 1
    assert "These 60 items do not tell it from Letters" in done.verdict
    assert "the highest" not in done.verdict


@pytest.mark.filterwarnings("ignore:.*tell next to nothing")
def test_too_few_for_an_interval_have_a_figure_all_the_same() -> None:
    data = {"sentence1": TEXTS[:3], "sentence2": TEXTS[1:4], "label": [1, 0, 0]}
    done = sememe.evaluate({"letters": Letters()}, data)
    main = done.rows[0].main
    assert 0 < main.value <= 1
    assert np.isnan(main.low) or main.low <= main.value


def test_a_model_that_can_be_iterated_over_is_one_model(scored: dict[str, Any]) -> None:
    class Layers(Letters):
        def __iter__(self) -> Any:
            return iter([1, 2, 3])

    assert [row.model for row in sememe.evaluate(Layers(), scored).rows] == ["Layers"]


def test_a_missing_library_is_no_model_s_failure(scored: dict[str, Any]) -> None:
    class Unequipped:
        def encode(self, texts: list[str]) -> Any:
            raise MissingExtra(f"{len(texts)}")

    with pytest.raises(MissingExtra):
        sememe.evaluate(Unequipped(), scored)


@given(p=st.lists(st.floats(0, 1), max_size=12))
def test_corrected_p_values_are_holms(p: list[float]) -> None:
    found = _corrected(p)
    order = sorted(range(len(p)), key=p.__getitem__)
    for place, i in enumerate(order):
        so_far = [(len(p) - j) * p[k] for j, k in enumerate(order[: place + 1])]
        assert found[i] == pytest.approx(min(1, max(so_far)))


# --- systems ---


@pytest.mark.slow
def test_names_open_models_of_every_kind_in_a_precision(
    tiny: Tiny, tmp_path_factory: pytest.TempPathFactory
) -> None:
    system = as_system(f"{tiny.directory}:f32")
    assert isinstance(system, EncoderSystem)
    assert isinstance(system.encoder, BiEncoder)
    assert system.encoder.precision == "f32"
    assert system.name == f"{tiny.directory}:f32"
    folder = tmp_path_factory.mktemp("cross") / "cross"
    make_cross_encoder(folder)
    cross = as_system(str(folder))
    assert isinstance(cross, ScorerSystem)
    pairs = [(TEXTS[0], TEXTS[1]), (TEXTS[2], TEXTS[0])]
    expected = CrossEncoder(folder).score(pairs)
    np.testing.assert_allclose(cross.score(pairs), expected, atol=1e-6)
    for verb in (cross.group, cross.classify):
        with pytest.raises(InputError, match="scores pairs and has no vectors"):
            verb(TEXTS, 2)
    with pytest.raises(InputError, match=r"reads pairs, here 360,000 \(600 queries × 600"):
        cross.rank([f"q{i}" for i in range(600)], [f"d{i}" for i in range(600)], 10)
    assert as_system(cross) is cross


def test_no_text_is_encoded_twice_and_prompts_make_other_texts(encoder: BiEncoder) -> None:
    counted: list[int] = []

    class Counting:
        prompts = encoder.prompts

        def encode(self, texts: list[str]) -> Any:
            counted.append(len(texts))
            return encoder.encode(texts)

        def encode_query(self, texts: list[str]) -> Any:
            counted.append(len(texts))
            return encoder.encode_query(texts)

    system = EncoderSystem(Counting())
    system.score([(TEXTS[0], TEXTS[1]), (TEXTS[1], TEXTS[0])])
    system.group(TEXTS[:4], 2)
    assert counted == [2, 2]
    system.score([(TEXTS[0], TEXTS[1])], search=True)
    np.testing.assert_allclose(
        system.vectors(TEXTS[:1], "query"), encoder.encode_query(TEXTS[:1]), atol=1e-6
    )
    assert counted == [2, 2, 1, 1]


@pytest.mark.slow
def test_groups_and_classes_find_what_vectors_separate() -> None:
    corners = np.eye(4).repeat(10, axis=0)

    class Corners:
        def encode(self, texts: list[str]) -> Any:
            noise = np.random.default_rng(1).normal(scale=0.05, size=(len(texts), 4))
            return corners[[int(text) for text in texts]] + noise

    texts, gold = [str(i) for i in range(40)], [i // 10 for i in range(40)]
    for task in ("groups", "classes"):
        done = sememe.evaluate(Corners(), {"text": texts, "label": gold}, task=task)
        assert done.rows[0].main.value == 1


def test_warnings_name_the_model(scored: dict[str, Any]) -> None:
    with pytest.warns(SememeWarning, match="no-such-model-anywhere is not measured: "):
        sememe.evaluate(["no-such-model-anywhere", Letters()], scored)
