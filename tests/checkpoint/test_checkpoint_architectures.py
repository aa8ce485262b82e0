"""Weights that contradict the config, and hostile configs, in every architecture."""

import json
import tracemalloc
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from sememe import BiEncoder
from sememe.errors import CheckpointError
from tiny_architectures import KINDS, Made, make
from tiny_models import edit_json

HUGE = 10**9
OWN_NAMES = {
    "distilbert": {
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
        "hidden_size": "dim",
        "intermediate_size": "hidden_dim",
    }
}
LAST_LAYER = {
    "distilbert": "transformer.layer.1.ffn.lin2.weight",
    "modernbert": "layers.3.mlp.Wo.weight",
}


# XLM-R and CamemBERT are RoBERTa's graph.
@pytest.fixture(scope="module", params=sorted({*KINDS} - {"xlm-roberta", "camembert"}))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def made(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp(kind), kind)


@pytest.fixture(autouse=True)
def restored(made: Made) -> Any:
    """The checkpoint is whole again after each test."""
    files = [made.encoder / name for name in ("config.json", "model.safetensors")]
    whole = [file.read_bytes() for file in files]
    yield
    for file, content in zip(files, whole, strict=True):
        file.write_bytes(content)


def refusal(made: Made) -> str:
    tracemalloc.start()
    try:
        message = error_of(made)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()
    return message


def error_of(made: Made) -> str:
    """As `refusal`, without a look at the memory, which takes most of the time."""
    with pytest.raises(CheckpointError) as caught:
        BiEncoder(made.encoder, precision="f32", pooling="mean")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("value", [HUGE, 10**30])
@pytest.mark.parametrize(
    "key",
    [
        "num_hidden_layers",
        "num_attention_heads",
        "hidden_size",
        "intermediate_size",
        "vocab_size",
        "max_position_embeddings",
    ],
)
def test_a_huge_size_is_refused(made: Made, key: str, value: int) -> None:
    key = OWN_NAMES.get(made.kind, {}).get(key, key)
    edit_json(made.encoder / "config.json", **{key: value})
    message = refusal(made)
    told = (key, "the config implies", "is missing", "layer_types must name")
    assert any(part in message for part in told), message


def test_layers_beyond_the_config_s_are_refused(made: Made) -> None:
    key = OWN_NAMES.get(made.kind, {}).get("num_hidden_layers", "num_hidden_layers")
    path = made.encoder / "config.json"
    count = json.loads(path.read_text())[key]
    edit_json(path, **{key: count - 1}, layer_types=None)
    name = LAST_LAYER.get(made.kind, "encoder.layer.1.output.dense.weight")
    assert f"{key} is {count - 1}, but there is a tensor '{name}'" in refusal(made)


@pytest.mark.slow
def test_every_tensor_is_needed_in_its_shape(made: Made) -> None:
    path = made.encoder / "model.safetensors"
    whole = load_file(path)
    for index, name in enumerate(name for name in whole if not name.startswith("pooler.")):
        if index % 2:
            save_file({**whole, name: whole[name][:-1].clone()}, path)
            assert f"implies {list(whole[name].shape)}" in error_of(made)
        else:
            save_file({other: whole[other] for other in whole if other != name}, path)
        assert repr(name) in error_of(made)


@pytest.mark.parametrize("kind", ["roberta", "mpnet"], indirect=True)
@pytest.mark.parametrize("pad", [HUGE, 49, -1, "1", 0.5])
def test_positions_that_begin_beyond_the_table_are_refused(made: Made, pad: object) -> None:
    edit_json(made.encoder / "config.json", pad_token_id=pad)
    assert f"config.json: pad_token_id is {pad!r} and max_position_embeddings 50" in refusal(made)


MODERN: list[tuple[dict[str, object], str]] = [
    ({"layer_types": ["full_attention"] * 3}, "layer_types must name full_attention or"),
    ({"layer_types": ["full_attention"] * 3 + ["causal"]}, "layer_types must name"),
    ({"layer_types": None, "num_hidden_layers": HUGE}, "'layers.4.attn_norm.weight' is missing"),
    ({"layer_types": "full_attention"}, "layer_types must name"),
    ({"layer_types": [[]] * 4}, "layer_types must name"),
    ({"layer_types": None, "global_attn_every_n_layers": 0}, "global_attn_every_n_layers is 0"),
    ({"rope_parameters": [1]}, "config.json: rope_parameters is [1]; an object"),
    ({"rope_parameters": {"rope_theta": 1e4}}, "rope_theta is 10000.0; only None"),
    (
        {"rope_parameters": {"full_attention": {"rope_type": "yarn"}}},
        "rope_parameters: full_attention: rope_type is 'yarn'; only 'default'",
    ),
    (
        {"rope_parameters": {"sliding_attention": {"rope_theta": float("nan")}}},
        "sliding_attention: rope_theta is nan",
    ),
    ({"rope_parameters": None, "global_rope_theta": 0}, "global_rope_theta is 0"),
    ({"rope_scaling": {"type": "linear"}}, "rope_scaling is"),
    ({"num_attention_heads": 32}, "even size (they have 1)"),
    ({"local_attention": -3}, "local_attention is -3"),
    ({"hidden_activation": "eval"}, "the activation 'eval' is not known"),
    ({"norm_eps": float("inf")}, "norm_eps is inf"),
]


@pytest.mark.parametrize("kind", ["modernbert"], indirect=True)
@pytest.mark.parametrize(("changes", "message"), MODERN)
def test_a_broken_modernbert_says_what_is_wrong(
    made: Made, changes: dict[str, object], message: str
) -> None:
    edit_json(made.encoder / "config.json", **changes)
    assert message in refusal(made)


@pytest.mark.parametrize("kind", ["bert"], indirect=True)
def test_a_number_of_5000_digits_is_refused(made: Made) -> None:
    path = made.encoder / "config.json"
    path.write_text('{"hidden_size": ' + "9" * 5000 + "}")
    assert "config.json: cannot be read" in refusal(made)
