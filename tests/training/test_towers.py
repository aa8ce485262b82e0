"""Towers: the encoders' own vectors and scores, with gradients, and checkpoints that all open."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentence_transformers
import torch
from safetensors import safe_open
from transformers import BertModel

from reference import cosine_distance
from sememe import BiEncoder, CrossEncoder
from sememe.checkpoint import Scoring, read
from sememe.checkpoint.modules import POOLING_MODES
from sememe.engines.torch.speed import Unpadded
from sememe.errors import CheckpointError
from sememe.training import towers
from sememe.training.towers import BiTower, CrossTower, Tower
from tiny_architectures import KINDS, Made, make
from tiny_models import TEXTS, Linear, edit_json, make_checkpoint, make_cross_encoder, random_bert
from training_tables import texts

PAIRS = [(a, b) for a in ("nuclear power", "a zebra!") for b in TEXTS]
MODES = tuple(mode for mode in POOLING_MODES if mode != "pooler")
FLATTENED = [kind for kind in KINDS if kind != "mpnet"]  # whose positions are relative
pytestmark = [
    pytest.mark.filterwarnings("ignore::sememe.errors.TruncationWarning"),
    pytest.mark.filterwarnings("ignore::sememe.errors.GuessWarning"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Made]:
    """A checkpoint of an architecture, made once."""
    return cache(lambda kind: make(tmp_path_factory.mktemp("tower") / kind, kind))


def shaken(tower: Any) -> Any:
    """The tower with every weight moved a little, as if it had been trained."""
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in tower.parameters():
            weight += 0.05 * torch.randn(weight.shape, generator=random)
    return tower


def tensor_names(folder: Path) -> set[str]:
    with safe_open(folder / "model.safetensors", "np") as file:
        return set(file.keys())


def vectors(folder: Path, engine: str = "openvino") -> Any:
    encoder = BiEncoder(folder, engine=engine, precision="f32", device="cpu")
    return encoder.encode(TEXTS, normalize=False)


def logits(folder: Path, engine: str = "openvino") -> Any:
    encoder = CrossEncoder(folder, engine=engine, precision="f32", device="cpu")
    return encoder.score(PAIRS, raw=True).reshape(len(PAIRS), -1)


# --- the same values, before and after training ---


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_tower_gives_a_bi_encoder_s_vectors_and_saves_them(
    made: Callable[[str], Made], tmp_path: Path, kind: str
) -> None:
    checkpoint = read(made(kind).encoder)
    tower = BiTower(checkpoint)
    assert isinstance(tower.encoder.transformer, Unpadded) == (kind in FLATTENED)
    for engine in ("torch", "openvino"):
        expected = vectors(made(kind).encoder, engine)
        np.testing.assert_allclose(tower.encode(TEXTS), expected, atol=1e-5)
    moved = shaken(tower).encode(TEXTS)
    assert cosine_distance(moved, expected).max() > 1e-4
    tower.save(tmp_path / "saved")
    np.testing.assert_allclose(vectors(tmp_path / "saved"), moved, atol=1e-5)
    assert tensor_names(tmp_path / "saved") == tensor_names(made(kind).encoder)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_tower_gives_a_cross_encoder_s_logits_and_saves_them(
    made: Callable[[str], Made], tmp_path: Path, kind: str
) -> None:
    checkpoint = read(made(kind).classifier)
    assert checkpoint.scoring is not None
    tower = CrossTower(checkpoint, checkpoint.scoring)
    assert tower.dim == 3
    expected = logits(made(kind).classifier, "torch")
    np.testing.assert_allclose(tower.encode(PAIRS), expected, atol=1e-5)
    moved = shaken(tower).encode(PAIRS)
    assert np.abs(moved - expected).max() > 1e-2
    tower.save(tmp_path / "saved")
    np.testing.assert_allclose(logits(tmp_path / "saved"), moved, rtol=1e-5, atol=1e-5)
    assert tensor_names(tmp_path / "saved") == tensor_names(made(kind).classifier)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bert", "roberta", "mpnet"])
def test_sentence_transformers_opens_what_a_tower_saved(
    made: Callable[[str], Made], tmp_path: Path, kind: str
) -> None:
    bi = shaken(BiTower(read(made(kind).encoder)))
    bi.save(tmp_path / "bi")
    theirs = sentence_transformers.SentenceTransformer(str(tmp_path / "bi"), device="cpu")
    np.testing.assert_allclose(theirs.encode(TEXTS), bi.encode(TEXTS), atol=1e-5)
    cross = shaken(CrossTower(read(made(kind).encoder), Scoring(("score",), "sigmoid")))
    cross.save(tmp_path / "cross")
    other = sentence_transformers.CrossEncoder(str(tmp_path / "cross"), device="cpu")
    expected = 1 / (1 + np.exp(-cross.encode(PAIRS)[:, 0]))
    np.testing.assert_allclose(other.predict(PAIRS), expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["plain", "0.x", "2.x", "6.x"])
def test_every_layout_is_trained_and_written_whole(tmp_path: Path, layout: Any) -> None:
    make_checkpoint(tmp_path / "base", layout=layout, prefix="bert." * (layout == "0.x"))
    tower = shaken(BiTower(read(tmp_path / "base")))
    tower.save(tmp_path / "saved")
    np.testing.assert_allclose(vectors(tmp_path / "saved"), tower.encode(TEXTS), atol=1e-5)
    assert tensor_names(tmp_path / "saved") == set(random_bert().state_dict())


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_each_pooling_is_the_encoder_s(tmp_path: Path, mode: str) -> None:
    make_checkpoint(tmp_path / "base", layout="6.x", pooling=(mode,))
    tower = BiTower(read(tmp_path / "base"))
    np.testing.assert_allclose(tower.encode(TEXTS), vectors(tmp_path / "base"), atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("include_prompt", [True, False])
def test_the_default_prompt_is_trained_with(tmp_path: Path, include_prompt: bool) -> None:
    prompts = {"query": "the power : ", "passage": "a book : "}
    make_checkpoint(tmp_path / "base", include_prompt=include_prompt, prompts=prompts,
                    default_prompt="query")  # fmt: skip
    tower = shaken(BiTower(read(tmp_path / "base")))
    tower.save(tmp_path / "saved")
    np.testing.assert_allclose(vectors(tmp_path / "saved"), tower.encode(TEXTS), atol=1e-5)
    without = BiEncoder(tmp_path / "saved", precision="f32").encode(TEXTS, prompt="")
    assert cosine_distance(without, tower.encode(TEXTS)).max() > 1e-3
    theirs = sentence_transformers.SentenceTransformer(str(tmp_path / "saved"), device="cpu")
    # An empty text's mean over no token is theirs to define.
    given = [text for text in TEXTS if text]
    np.testing.assert_allclose(theirs.encode(given), tower.encode(given), atol=1e-5)


@pytest.mark.slow
def test_dense_layers_are_trained_and_saved(tmp_path: Path) -> None:
    head: Any = [Linear(24), "normalize", Linear(8, "GELU", bias=False), "normalize"]
    make_checkpoint(tmp_path / "base", pooling=("cls", "max"), head=head)
    checkpoint = read(tmp_path / "base")
    tower = BiTower(checkpoint)
    assert tower.dim == 8
    assert np.abs(np.linalg.norm(tower.encode(TEXTS), axis=1) - 1).max() > 0.1
    dense = [name for name, _ in tower.named_parameters() if ".head." in name]
    assert len(dense) == 3
    torch.square(tower(*tower.parts(TEXTS)[0].inputs)).sum().backward()
    assert all(tower.get_parameter(name).grad.any() for name in dense)
    moved = shaken(tower).encode(TEXTS)
    assert cosine_distance(moved, vectors(tmp_path / "base")).max() > 1e-4
    tower.save(tmp_path / "saved")
    np.testing.assert_allclose(vectors(tmp_path / "saved"), moved, atol=1e-5)
    theirs = sentence_transformers.SentenceTransformer(str(tmp_path / "saved"), device="cpu")
    unit = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    np.testing.assert_allclose(theirs.encode(TEXTS), unit, atol=1e-5)


def test_a_pooler_that_is_not_in_the_checkpoint_is_not_invented(tmp_path: Path) -> None:
    without_pooler(tmp_path / "base")
    tower = BiTower(read(tmp_path / "base"))
    tower.save(tmp_path / "saved")
    assert tensor_names(tmp_path / "saved") == tensor_names(tmp_path / "base")


def without_pooler(directory: Path) -> None:
    bert = random_bert()
    bare = BertModel(bert.config, add_pooling_layer=False).eval()
    bare.load_state_dict(bert.state_dict(), strict=False)
    make_checkpoint(directory, bert=bare)


# --- new heads ---


@pytest.mark.slow
@pytest.mark.parametrize("pooler", [True, False])
@pytest.mark.parametrize("labels", [("score",), ("no", "maybe", "yes")])
def test_a_bi_encoder_is_given_a_new_head(
    tmp_path: Path, labels: tuple[str, ...], pooler: bool
) -> None:
    (make_checkpoint if pooler else without_pooler)(tmp_path / "base")
    scoring = Scoring(labels, "sigmoid" if len(labels) == 1 else "softmax")
    tower = CrossTower(read(tmp_path / "base"), scoring)
    assert tower.dim == len(labels)
    shaken(tower).save(tmp_path / "saved")
    cross = CrossEncoder(tmp_path / "saved", precision="f32")
    assert cross.labels == labels
    np.testing.assert_allclose(logits(tmp_path / "saved"), tower.encode(PAIRS), atol=1e-5)
    scores = cross.score(PAIRS)
    assert 0 <= scores.min() < scores.max() <= 1


def test_other_labels_need_a_new_head_and_the_same_do_not(tmp_path: Path) -> None:
    model = make_cross_encoder(tmp_path, labels=["no", "yes"])
    checkpoint, weight = read(tmp_path), model.classifier.weight.detach()
    same = CrossTower(checkpoint, Scoring(("no", "yes"), "softmax"))
    torch.testing.assert_close(same.encoder.transformer.classifier.weight.detach(), weight)
    for labels in (("yes", "no"), ("a", "b", "c"), ("score",)):
        other = CrossTower(checkpoint, Scoring(labels, "softmax"))
        assert other.dim == len(labels)
        assert not torch.equal(other.encoder.transformer.classifier.weight[:1], weight[:1])


def test_a_checkpoint_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "base", bert=random_bert(num_hidden_layers=1))
    edit_json(tmp_path / "base" / "config.json", num_hidden_layers=2)
    with pytest.raises(CheckpointError, match=r"'encoder\.layer\.1\..*' is missing"):
        BiTower(read(tmp_path / "base"))
    with pytest.raises(CheckpointError, match=r"'encoder\.layer\.1\..*' is missing"):
        CrossTower(read(tmp_path / "base"), Scoring(("score",), "sigmoid"))


# --- gradients ---


@pytest.mark.slow
@pytest.mark.parametrize("kind", FLATTENED)
@pytest.mark.parametrize("cross", [False, True])
def test_flattening_changes_no_gradient(
    made: Callable[[str], Made], monkeypatch: pytest.MonkeyPatch, kind: str, cross: bool
) -> None:
    def gradients() -> dict[str, Any]:
        checkpoint = read(made(kind).classifier if cross else made(kind).encoder)
        tower: Any = (
            CrossTower(checkpoint, checkpoint.scoring or Scoring(("score",), "sigmoid"))
            if cross
            else BiTower(checkpoint)
        )
        tower.eval()
        items = PAIRS if cross else TEXTS
        for rows, inputs in tower.parts(items):
            places = torch.as_tensor(rows)[:, None]
            (tower(*inputs) * torch.cos(places + torch.arange(tower.dim))).sum().backward()
        return {
            name.replace("base.", ""): weight.grad
            for name, weight in tower.named_parameters()
            if weight.grad is not None
        }

    flat = gradients()
    monkeypatch.setattr(towers, "unpadded", lambda model: model)
    plain = gradients()
    assert flat.keys() == plain.keys()
    for name, expected in plain.items():
        scale = float(expected.abs().max())
        torch.testing.assert_close(flat[name], expected, rtol=1e-3, atol=1e-4 * scale + 1e-6)


def test_dropout_is_on_in_training_and_off_in_encode(made: Callable[[str], Made]) -> None:
    tower = BiTower(read(made("bert").encoder))
    (part,) = tower.parts(TEXTS)
    still = tower.encode(TEXTS)
    tower.train()
    with torch.no_grad():
        first, second = tower(*part.inputs), tower(*part.inputs)
    assert cosine_distance(first.numpy(), second.numpy()).max() > 1e-3
    np.testing.assert_array_equal(tower.encode(TEXTS), still)
    assert tower.training
    tower.eval()
    tower.encode(TEXTS)
    assert not tower.training


# --- parts and columns ---


def test_parts_hold_each_item_once_under_the_budget(
    made: Callable[[str], Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(towers.TOKENS, "cpu", 60)
    tower, given = BiTower(read(made("bert").encoder)), [*TEXTS, *texts([0, 1, 2, 3] * 9, seed=1)]
    parts = tower.parts(given)
    assert len(parts) > 5
    assert sorted(np.concatenate([part.rows for part in parts])) == list(range(len(given)))
    assert all(part.inputs[0].numel() <= 60 for part in parts)
    encoded = tower.encode(given)
    monkeypatch.undo()
    np.testing.assert_allclose(encoded, tower.encode(given), atol=1e-5)


def test_a_query_is_scored_against_others_documents_never_its_own(tmp_path: Path) -> None:
    make_checkpoint(tmp_path)
    tower = CrossTower(read(tmp_path), Scoring(("score",), "identity"), negatives=3)
    rows = [("q", "d0"), ("q", "d1"), ("r", "d2"), ("s", "d3"), ("t", "d2")]
    columns = tower.columns(rows, np.random.default_rng(0))
    assert columns[0] == rows
    assert len(columns) == 4
    answers = {"q": {"d0", "d1"}, "r": {"d2"}, "s": {"d3"}, "t": {"d2"}}
    for column in columns[1:]:
        for (query, _), (asked, document) in zip(rows, column, strict=True):
            assert asked == query
            assert document in {"d0", "d1", "d2", "d3"} - answers[query]
    assert columns == tower.columns(rows, np.random.default_rng(0))
    assert columns != tower.columns(rows, np.random.default_rng(1))


def test_a_batch_without_a_negative_teaches_nothing_and_stops_nothing(tmp_path: Path) -> None:
    make_checkpoint(tmp_path)
    tower = CrossTower(read(tmp_path), Scoring(("score",), "identity"), negatives=2)
    rows = [("q", "d0"), ("q", "d1")]
    # The loss does not count a negative that is the positive.
    assert tower.columns(rows, np.random.default_rng(0)) == [rows] * 3


class Numbers(Tower):
    """Anything may be a tower: here numbers, to their multiples."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor([1.0, 2.0]))

    def parts(self, items: Any) -> list[towers.Part]:
        return [
            towers.Part(np.array([i]), (torch.tensor([[item]]),))
            for i, item in reversed(list(enumerate(items)))
        ]

    def forward(self, *inputs: Any) -> Any:
        return inputs[0] * self.factor


def test_any_tower_encodes() -> None:
    encoded = Numbers().encode([1.0, 2.0, 3.0])
    assert encoded.dtype == np.float32
    np.testing.assert_array_equal(encoded, [[1, 2], [2, 4], [3, 6]])
    with pytest.raises(ValueError, match="nothing to encode"):
        Numbers().encode([])
