"""What is read from a checkpoint's description, in every generation of the layout."""

from pathlib import Path

import pytest

from sememe.checkpoint import read
from sememe.checkpoint.modules import Dense, Normalize, Pooling, parse_pooling
from sememe.errors import CheckpointError
from tiny_models import HIDDEN, POSITIONS, Layout, Linear, edit_json, make_checkpoint, write_json


@pytest.mark.parametrize("layout", ["0.x", "2.x", "6.x"])
def test_every_layout_says_the_same(tmp_path: Path, layout: Layout) -> None:
    tiny = make_checkpoint(
        tmp_path, layout=layout, pooling=["cls", "mean_sqrt_len"], head=[Linear(8), "normalize"]
    )
    result = read(tmp_path)
    assert result.directory == tmp_path
    assert result.transformer == tiny.transformer
    assert result.pooling == Pooling(("cls", "mean_sqrt_len"))
    dense, last = result.head
    assert dense == Dense(tmp_path / "2_Dense", 2 * HIDDEN, 8, bias=True, activation="Tanh")
    assert last == Normalize()
    assert result.normalized
    assert result.max_length == 32
    assert result.prompts == {}
    assert result.similarity == "cosine"


@pytest.mark.parametrize("layout", ["2.x", "6.x"])
def test_what_stands_around_the_modules(tmp_path: Path, layout: Layout) -> None:
    make_checkpoint(
        tmp_path,
        layout=layout,
        include_prompt=False,
        prompts={"q": "question: ", "d": ""},
        default_prompt="q",
        similarity="dot",
        truncate_dim=7,
        casing="lowered",
    )
    result = read(tmp_path)
    assert result.pooling == Pooling(("mean",), include_prompt=False)
    assert result.prompts == {"q": "question: ", "d": ""}
    assert (result.default_prompt_name, result.similarity) == ("q", "dot")
    assert (result.truncate_dim, result.lowercase, result.normalized) == (7, True, False)


def test_a_plain_transformer_does_not_say_how_to_pool(tmp_path: Path) -> None:
    make_checkpoint(tmp_path, layout="plain")
    result = read(tmp_path)
    assert result.pooling is None
    assert result.head == ()
    assert result.max_length == 32


@pytest.mark.parametrize(
    ("sentence", "tokenizer", "expected"),
    [
        (20, 16, 20),  # up to 5.3 sentence_bert_config.json counts
        (None, 16, 16),  # from 5.4 the tokenizer's
        (None, 10**30, POSITIONS),  # "no limit", as transformers writes it
        (None, None, POSITIONS),
        (512, 512, POSITIONS),
    ],
)
def test_where_the_maximum_length_stands(
    tmp_path: Path, sentence: int | None, tokenizer: int | None, expected: int
) -> None:
    make_checkpoint(tmp_path)
    edit_json(tmp_path / "sentence_bert_config.json", max_seq_length=sentence)
    edit_json(tmp_path / "tokenizer_config.json", model_max_length=tokenizer)
    assert read(tmp_path).max_length == expected


def test_a_maximum_length_that_is_nowhere(tmp_path: Path) -> None:
    make_checkpoint(tmp_path, layout="plain")
    (tmp_path / "tokenizer_config.json").unlink()
    edit_json(tmp_path / "config.json", max_position_embeddings=None)
    with pytest.raises(CheckpointError, match="neither max_seq_length"):
        read(tmp_path)


def test_before_2_0_the_config_was_called_after_the_architecture(tmp_path: Path) -> None:
    make_checkpoint(tmp_path, layout="0.x", max_length=21)
    folder = tmp_path / "0_BERT"
    (folder / "sentence_bert_config.json").rename(folder / "sentence_roberta_config.json")
    assert read(tmp_path).max_length == 21


def test_dropout_is_for_training_only(tmp_path: Path) -> None:
    make_checkpoint(tmp_path)
    write_json(
        tmp_path / "modules.json",
        [
            {"path": "", "type": "sentence_transformers.models.Transformer"},
            {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"path": "2_Dropout", "type": "sentence_transformers.models.Dropout"},
        ],
    )
    assert read(tmp_path).head == ()


def test_a_pooling_without_any_mode_is_a_mean_as_sentence_transformers_reads_it(
    tmp_path: Path,
) -> None:
    make_checkpoint(tmp_path)
    write_json(tmp_path / "1_Pooling" / "config.json", {"word_embedding_dimension": HIDDEN})
    assert read(tmp_path).pooling == Pooling(("mean",))


def test_a_dense_without_an_activation_is_a_tanh_as_sentence_transformers_reads_it(
    tmp_path: Path,
) -> None:
    make_checkpoint(tmp_path, head=[Linear(8, "ReLU", bias=False)])
    assert read(tmp_path).head[0].activation == "ReLU"  # type: ignore[union-attr]
    edit_json(tmp_path / "2_Dense" / "config.json", activation_function=None)
    assert read(tmp_path).head == (Dense(tmp_path / "2_Dense", HIDDEN, 8, False, "Tanh"),)


@pytest.mark.parametrize(
    ("message", "modes"),
    [
        ("mean", ("mean",)),
        ("cls+max", ("cls", "max")),
        (" max + mean_sqrt_len_tokens ", ("max", "mean_sqrt_len")),
        (["lasttoken", "weightedmean"], ("lasttoken", "weightedmean")),
    ],
)
def test_pooling_modes_by_name(message: str | list[str], modes: tuple[str, ...]) -> None:
    assert parse_pooling(message, "here") == modes


@pytest.mark.parametrize("message", ["median", "mean+", "", [], ["cls", 3], 3, None])
def test_pooling_modes_that_are_not_known(message: object) -> None:
    with pytest.raises(CheckpointError, match=r"^here: .* there are cls, max, mean,"):
        parse_pooling(message, "here")
