"""Who comes from sentence-transformers is told what to write here."""

import inspect
from typing import Any

import pytest

from sememe import BiEncoder, CrossEncoder
from sememe.errors import InputError
from tiny_models import make_checkpoint, make_cross_encoder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("models")
    make_checkpoint(folder / "bi")
    make_cross_encoder(folder / "cross")
    return {
        "bi": BiEncoder(folder / "bi", precision="f32"),
        "cross": CrossEncoder(folder / "cross", precision="f32"),
    }


@pytest.mark.parametrize(
    ("call", "arguments", "options", "answer"),
    [
        ("bi.encode", (["a"],), {"batch_size": 32}, r"encode\(\) has no batch_size=: leave it out"),
        ("bi.encode", (["a"],), {"normalize_embeddings": True}, "it is normalize="),
        ("bi.encode", (["a"],), {"convert_to_tensor": True}, "torch.from_numpy"),
        ("bi.encode", (["a"],), {"show_progress_bar": True}, "it is progress=.*migration.md"),
        ("bi.encode", (["a"],), {"output_value": "token_embeddings"}, r"use encode_tokens\(\)"),
        ("bi.encode", (["a"],), {"precision": "int8"}, "it is dtype="),
        ("bi.encode", (), {"sentences": ["a"]}, "it is texts="),
        ("bi.encode", (["a"],), {"normalise": True}, r'normalise= \(did you mean "normalize"\?\)'),
        ("bi.encode", (["a"],), {"zzz": True}, "there are texts, prompt_name"),
        ("bi.encode", (["a"], "query"), {}, "texts by place, and the rest by name: prompt_name"),
        ("bi.encode_query", ("a",), {"batch_size": 1}, "leave it out"),
        ("cross.score", ([("a", "b")],), {"activation_fn": None}, "raw=True"),
        (
            "cross.rank",
            ("a", ["b"]),
            {"return_documents": True},
            "ranked documents have their text",
        ),
        ("cross.rank", ("a", ["b"], 5), {}, "takes query and documents by place"),
    ],
)
def test_arguments_are_answered(
    models: dict[str, Any], call: str, arguments: tuple[Any, ...], options: Any, answer: str
) -> None:
    model, method = call.split(".")
    with pytest.raises(InputError, match=answer) as caught:
        getattr(models[model], method)(*arguments, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({"backend": "onnx"}, r"Encoder\(\) has no backend=: it is engine="),
        ({"max_length": 9}, "the checkpoint says it"),
        ({"model_name_or_path": "x"}, "it is model="),
    ],
)
@pytest.mark.parametrize("kind", [BiEncoder, CrossEncoder])
def test_arguments_of_the_constructor_are_answered(
    kind: Any, options: dict[str, Any], answer: str
) -> None:
    with pytest.raises(InputError, match=answer):
        kind("x", **options)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("predict", r"it is score\(pairs\)"),
        ("get_sentence_embedding_dimension", "it is dim"),
        ("encode_multi_process", "all cores"),
        ("no_such_thing", "CrossEncoder has no no_such_thing.$"),
    ],
)
def test_names_are_answered(models: dict[str, Any], name: str, answer: str) -> None:
    with pytest.raises(AttributeError, match=answer):
        getattr(models["cross"], name)
    assert not hasattr(models["cross"], name)


def test_what_would_change_nothing_cannot_be_set(models: dict[str, Any]) -> None:
    with pytest.raises(AttributeError, match="it is max_length, which the checkpoint says"):
        models["bi"].max_seq_length = 12


@pytest.mark.parametrize("kind", [BiEncoder, CrossEncoder])
def test_a_text_does_not_allow_code_to_run(kind: Any) -> None:
    with pytest.raises(InputError, match="trust_remote_code='no': give True or False"):
        kind("x", trust_remote_code="no")


def test_they_show_what_they_are(models: dict[str, Any]) -> None:
    assert repr(models["bi"]) == f"<BiEncoder: {models['bi'].model} in f32>"


@pytest.mark.parametrize("directory", [None, 5])
def test_a_folder_has_a_name(models: dict[str, Any], directory: Any) -> None:
    with pytest.raises(InputError, match=f"directory={directory}: give a path"):
        models["bi"].save(directory)


def test_help_shows_the_arguments_themselves() -> None:
    assert [*inspect.signature(CrossEncoder.rank).parameters] == [
        "self", "query", "documents", "top_k", "progress",
    ]  # fmt: skip
