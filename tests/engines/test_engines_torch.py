"""The torch engine: OpenVINO's vectors, transformers' architectures, the same promises."""

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertTokenizer
from transformers.utils import logging

from processes import run_python
from reference import cosine_distance, pool
from sememe import BiEncoder, CrossEncoder, errors
from sememe.checkpoint import Checkpoint, read
from sememe.checkpoint.modules import POOLING_MODES, Pooling
from sememe.engines import Output, open_engine
from sememe.engines.torch.runtime import TorchEngine
from sememe.engines.torch.speed import Unpadded, unpadded
from sememe.engines.torch.transformer import TransformerWithHead, load_transformer, probe
from sememe.errors import CheckpointError, ChoiceWarning, InputError
from sememe.text import Batch
from tiny_models import TEXTS, VOCABULARY, WORDS, Linear, Tiny, edit_json, make_checkpoint

# The pooler has no place in a checkpoint's pooling config.
MODES = tuple(mode for mode in POOLING_MODES if mode != "pooler")
PAIRS = [(a, b) for a in ("nuclear power", "a zebra!") for b in (TEXTS[0], *TEXTS[4:])]
SIZES = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}
T5 = {"d_model": 32, "d_kv": 8, "num_layers": 2, "num_heads": 4, "d_ff": 64}
MODERN = {"pad_token_id": 0, "local_attention": 8, "global_attn_every_n_layers": 2}
SETTINGS: dict[str, dict[str, Any]] = {
    "albert": {**SIZES, "embedding_size": 16},
    "bert": SIZES,
    "deberta-v2": {**SIZES, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "distilbert": {**SIZES, "hidden_dim": 64},
    "modernbert": {**SIZES, **MODERN},
    "mpnet": {**SIZES, "pad_token_id": 1},
    "qwen2": {**SIZES, "num_key_value_heads": 2},
    "roberta": {**SIZES, "pad_token_id": 1, "type_vocab_size": 1},
    "t5": {**T5, "vocab_size": len(VOCABULARY)},
}  # fmt: skip


def save(directory: Path, kind: str, *, labels: int = 0) -> Any:
    """Write a checkpoint of an architecture, its weights far from where training starts them."""
    make_checkpoint(directory, layout="plain")
    more = {"num_labels": labels} if labels else {}
    config = transformers.AutoConfig.for_model(kind, **SETTINGS[kind], **more)
    auto = transformers.AutoModelForSequenceClassification if labels else transformers.AutoModel
    auto = transformers.T5EncoderModel if kind == "t5" else auto
    model = (auto(config) if kind == "t5" else auto.from_config(config)).eval()
    random = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        matrix = parameter.dim() > 1
        mean = 0.0 if matrix or name.endswith("bias") else 1.0
        # Embeddings of size 1, and products that keep about the size of what goes in.
        deviation = (1.0 if "embed" in name else parameter.shape[-1] ** -0.5) if matrix else 0.3
        parameter.data.normal_(mean, deviation, generator=random)
    logging.disable_progress_bar()
    model.save_pretrained(directory)
    logging.enable_progress_bar()
    return model


def on_cpu(checkpoint: Checkpoint, output: Output) -> TorchEngine:
    return TorchEngine(checkpoint, output, precision="f32", device="cpu")


def batch(row: int, *texts: list[int], second: list[int] | None = None) -> Batch:
    lengths = np.array([len(text) for text in texts], np.int32)
    ids = np.zeros((len(texts), max(1, *lengths)), np.int32)
    for i, text in enumerate(texts):
        ids[i, : len(text)] = text
    starts = None if second is None else np.array(second, np.int32)
    return Batch(np.arange(row, row + len(texts)), ids, lengths, second=starts)


@pytest.fixture(scope="module")
def engine(tiny: Tiny) -> TorchEngine:
    return on_cpu(read(tiny.directory), Pooling())


# --- the same as OpenVINO ---


@pytest.mark.slow
@pytest.mark.parametrize("include_prompt", [True, False])
def test_vectors_are_openvino_s(tmp_path: Path, include_prompt: bool) -> None:
    make_checkpoint(
        tmp_path,
        pooling=MODES,
        include_prompt=include_prompt,
        head=[Linear(24), "normalize", Linear(8, "GELU", bias=False), "normalize"],
        prompts={"query": "the power : "},
    )
    expected = BiEncoder(tmp_path, precision="f32", engine="openvino")
    result = BiEncoder(tmp_path, precision="f32", engine="torch", device="cpu")
    assert result.dim == 8
    assert result.fingerprint != expected.fingerprint
    for options in ({}, {"prompt_name": "query"}, {"normalize": False}):
        np.testing.assert_allclose(
            result.encode(TEXTS, **options), expected.encode(TEXTS, **options), atol=1e-5
        )


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_each_pooling_is_openvino_s(tiny: Tiny, mode: str) -> None:
    result, expected = (
        BiEncoder(tiny.directory, precision="f32", engine=engine, pooling=mode, device="cpu")
        for engine in ("torch", "openvino")
    )
    np.testing.assert_allclose(
        result.encode(TEXTS, normalize=False), expected.encode(TEXTS, normalize=False), atol=2e-5
    )


@pytest.mark.slow
def test_token_vectors_are_openvino_s(tiny: Tiny) -> None:
    result, expected = (
        BiEncoder(tiny.directory, precision="f32", engine=engine, device="cpu")
        for engine in ("torch", "openvino")
    )
    for a, b in zip(result.encode_tokens(TEXTS), expected.encode_tokens(TEXTS), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("labels", [1, 3])
def test_scores_are_openvino_s(tmp_path: Path, labels: int) -> None:
    save(tmp_path, "bert", labels=labels)
    result, expected = (
        CrossEncoder(tmp_path, precision="f32", engine=engine, device="cpu")
        for engine in ("torch", "openvino")
    )
    np.testing.assert_allclose(
        result.score(PAIRS, raw=True), expected.score(PAIRS, raw=True), atol=1e-5
    )


def test_a_text_without_any_token_is_finite(tiny: Tiny) -> None:
    engine = on_cpu(read(tiny.directory), Pooling(MODES))
    ((_, result),) = engine.run([batch(0, [], [2, 9, 3])])
    assert np.isfinite(result).all()


# --- the same as transformers ---


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in SETTINGS if kind != "bert"])
def test_vectors_are_transformers_of_any_architecture(tmp_path: Path, kind: str) -> None:
    model = save(tmp_path, kind)
    encoder = BiEncoder(tmp_path, engine="torch", device="cpu", precision="f32", pooling="mean")
    tokenize = BertTokenizer.from_pretrained(str(tmp_path))
    with torch.no_grad():
        states = [model(tokenize(text, return_tensors="pt").input_ids)[0][0] for text in TEXTS]
    expected = [pool("mean", each.numpy()) for each in states]
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["albert", "deberta-v2", "distilbert", "roberta"])
def test_scores_are_transformers_of_any_architecture(tmp_path: Path, kind: str) -> None:
    model = save(tmp_path, kind, labels=2)
    cross = CrossEncoder(tmp_path, engine="torch", device="cpu", precision="f32")
    tokenize = BertTokenizer.from_pretrained(str(tmp_path))
    with torch.no_grad():
        fed = [tokenize(*pair, return_tensors="pt") for pair in PAIRS]
        if kind in ("distilbert", "roberta"):  # they know no types, or one
            fed = [{"input_ids": each.input_ids} for each in fed]
        expected = [model(**each).logits[0].numpy() for each in fed]
    np.testing.assert_allclose(cross.score(PAIRS, raw=True), expected, atol=2e-5)


def test_auto_takes_torch_where_openvino_cannot_and_says_so_once(tmp_path: Path) -> None:
    save(tmp_path, "deberta-v2")
    with pytest.warns(ChoiceWarning, match=r"does not know the architecture 'deberta-v2'"):
        encoder = BiEncoder(tmp_path, precision="f32", pooling="mean")
    encoder.encode_tokens("a")  # a warning would be an error here
    with pytest.raises(CheckpointError, match=r"'deberta-v2' is not read; .*engine=\"torch\""):
        BiEncoder(tmp_path, precision="f32", pooling="mean", engine="openvino")


# --- promises ---


words = st.sampled_from(WORDS.split())
sentences = st.lists(words, max_size=5).map(" ".join)


@settings(max_examples=15)
@given(company=st.lists(sentences, max_size=20), text=sentences)
def test_a_text_has_one_vector_in_any_company(tiny: Tiny, company: list[str], text: str) -> None:
    encoder = opened(tiny)
    among = encoder.encode([*company, text, *company[:1]])[len(company)]
    assert cosine_distance(encoder.encode(text), among).max() <= 1e-6


def opened(tiny: Tiny, result: list[BiEncoder] = []) -> BiEncoder:  # noqa: B006, one for all examples
    if not result:
        result.append(BiEncoder(tiny.directory, precision="f32", engine="torch", device="cpu"))
    return result[0]


def test_a_text_has_one_vector_in_bf16_too(tiny: Tiny) -> None:
    encoder = BiEncoder(tiny.directory, precision="bf16", engine="torch", device="cpu")
    together = encoder.encode(TEXTS)
    alone = np.stack([encoder.encode(text) for text in TEXTS])
    assert cosine_distance(together, alone).max() <= 1e-4
    exact = opened(tiny).encode(TEXTS)
    assert 0 < cosine_distance(together, exact).max() < 1e-2


def test_eight_threads_at_once(tiny: Tiny) -> None:
    encoder = opened(tiny)
    expected = encoder.encode(TEXTS)
    with ThreadPoolExecutor(8) as threads:
        for result in threads.map(lambda _: encoder.encode(TEXTS), range(24)):
            np.testing.assert_array_equal(result, expected)


def test_batches_come_back_in_their_order(engine: TorchEngine) -> None:
    given = [batch(i, *[[2, 5 + i, 3] * (1 + 5 * (i % 2))] * (1 + i % 3)) for i in range(20)]
    result = list(engine.run(given))
    assert [id(each) for each, _ in result] == [id(each) for each in given]
    assert all(values.shape == (len(each.rows), engine.dim) for each, values in result)
    assert all(values.dtype == np.float32 for _, values in result)


def test_an_error_is_its_caller_s_and_leaves_the_engine_usable(engine: TorchEngine) -> None:
    def broken() -> Iterator[Batch]:
        yield batch(0, [2, 9, 3])
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        list(engine.run(broken()))
    with pytest.raises(IndexError):
        list(engine.run([batch(0, [10**6])]))
    work = engine.run(batch(i, [2, 9, 3]) for i in range(9))
    next(work)
    work.close()  # type: ignore[attr-defined]
    assert len(list(engine.run([batch(0, [2, 9, 3])] * 9))) == 9
    assert not torch.is_inference_mode_enabled()


class Small(torch.nn.Module):  # type: ignore[misc]
    """A GPU with room for two texts, as torch tells of it."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder, self.least = encoder, 2

    def forward(self, ids: Any, *rest: Any, skip: int = 0) -> Any:
        if len(ids) > self.least:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        return self.encoder(ids, *rest, skip=skip)


@pytest.mark.parametrize("output", [Pooling(), "tokens", "scores"])
def test_where_memory_runs_out_a_batch_is_halved(tmp_path: Path, output: Output) -> None:
    save(tmp_path, "bert", labels=1)
    engine = on_cpu(read(tmp_path), output)
    given = batch(0, [2, 9, 3], [2, 3], [2, 7, 7, 8, 3], [2], [4, 4], second=[2, 1, 3, 1, 1])
    ((_, expected),) = engine.run([given])
    small = engine._module = Small(engine._module)
    ((_, result),) = engine.run([given])
    assert result.shape == expected.shape
    for row, length in enumerate(given.lengths if output == "tokens" else [None] * 5):
        np.testing.assert_allclose(result[row, :length], expected[row, :length], atol=1e-5)
    small.least = 0
    with pytest.raises(InputError, match="cpu has no memory left for one text of 5 tokens"):
        list(engine.run([given]))


def test_opening_and_encoding_change_nothing_global(tiny: Tiny) -> None:
    def state() -> tuple[Any, ...]:
        bars = logging.is_progress_bar_enabled()
        torches = torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()
        return *torches, logging.get_verbosity(), bars, torch.get_rng_state().sum().item()

    before = state(), threading.active_count()
    BiEncoder(tiny.directory, precision="bf16", engine="torch", device="cpu").encode(TEXTS)
    assert (state(), threading.active_count()) == before


def test_the_pooler_is_pooled_as_by_openvino(tiny: Tiny) -> None:
    ours, other = (
        BiEncoder(tiny.directory, precision="f32", engine=engine, pooling="pooler+mean")
        for engine in ("torch", "openvino")
    )
    np.testing.assert_allclose(ours.encode(TEXTS), other.encode(TEXTS), atol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "deberta-v2", "t5"])
def test_more_layers_than_there_are_tensors_are_refused(tmp_path: Path, kind: str) -> None:
    save(tmp_path, kind)
    key = "num_layers" if kind == "t5" else "num_hidden_layers"
    edit_json(tmp_path / "config.json", **{key: 10**9})
    with pytest.raises(CheckpointError, match=f"{key} is 1,000,000,000, and there are"):
        open_engine(read(tmp_path), Pooling(), engine="torch", device="cpu", precision="f32")


def test_gradients_flow_into_every_weight(tmp_path: Path) -> None:
    make_checkpoint(tmp_path, pooling=MODES, head=[Linear(8), "normalize", Linear(4)])
    checkpoint, pooling = read(tmp_path), Pooling(MODES)
    transformer = load_transformer(checkpoint, pooling, torch.float32, trust_remote_code=False)
    encoder = TransformerWithHead(checkpoint, pooling, transformer, 32)
    encoder(torch.tensor([[2, 9, 3], [2, 3, 0]]), torch.tensor([3, 2])).square().sum().backward()
    without = {n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.any()}
    assert all(".pooler." in name for name in without)


# --- without padding ---

needs_5 = pytest.mark.skipif(
    transformers.__version__.startswith("4."),
    reason="transformers 4 does not hand down to attention where texts end",
)


@pytest.mark.slow
@needs_5
@pytest.mark.parametrize("kind", ["bert", "distilbert", "modernbert", "qwen2", "roberta"])
def test_an_unpadded_batch_gives_the_padded_one_s_states(tmp_path: Path, kind: str) -> None:
    save(tmp_path, kind)
    engine = on_cpu(read(tmp_path), "tokens")
    given = batch(0, [2, *range(40, 70), 3], [2, 3], [2, 50, 51, 3], [7])
    ((_, padded),) = engine.run([given])
    bare = engine._module.transformer = unpadded(engine._module.transformer)
    assert isinstance(bare, Unpadded)
    ((_, result),) = engine.run([given])
    for row, length in enumerate(given.lengths):
        np.testing.assert_allclose(result[row, :length], padded[row, :length], atol=2e-5)


@needs_5
@pytest.mark.parametrize("kind", ["bert", "distilbert", "roberta"])
def test_an_unpadded_classifier_gives_the_padded_one_s_scores(tmp_path: Path, kind: str) -> None:
    save(tmp_path, kind, labels=3)
    engine = on_cpu(read(tmp_path), "scores")
    given = batch(0, [2, *range(40, 60), 3], [2, 50, 3, 51, 3], [2, 60, 3, 3], second=[9, 3, 3])
    ((_, padded),) = engine.run([given])
    bare = unpadded(engine._module.transformer)
    assert isinstance(bare.base_model, Unpadded)
    ((_, result),) = engine.run([given])
    np.testing.assert_allclose(result, padded, atol=2e-5)


@pytest.mark.parametrize("kind", ["albert", "deberta-v2", "mpnet", "t5"])
def test_an_architecture_that_needs_padding_stays_as_it_is(tmp_path: Path, kind: str) -> None:
    save(tmp_path, kind)
    transformer = on_cpu(read(tmp_path), "tokens")._module.transformer
    with torch.inference_mode():
        before = transformer(**probe(transformer, 9))[0]
        assert unpadded(transformer) is transformer
        assert torch.equal(transformer(**probe(transformer, 9))[0], before)


# --- choices and refusals ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "cuda"}, r"device='cuda:0' is not there; there are: .*cpu"),
        ({"device": "cpu:1", "engine": "torch"}, r"device='cpu:1' is not there"),
        ({"device": "mps", "engine": "openvino"}, r"the openvino engine computes on the cpu only"),
        ({"precision": "int8", "engine": "torch"}, r'precision="int8" is for engine="openvino"'),
        ({"precision": "f64", "engine": "torch"}, r"there are auto, f32, bf16, f16"),
        ({"precision": "f16", "engine": "torch", "device": "cpu"}, r'"f16" is for GPUs'),
    ],
    ids=str,
)
def test_what_cannot_be_had(tiny: Tiny, options: dict[str, Any], message: str) -> None:
    if options.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(InputError, match=message):
        open_engine(read(tiny.directory), Pooling(), **{"precision": "f32", **options})


def test_auto_takes_a_precision_and_says_so(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMEME_CACHE", str(tmp_path))
    monkeypatch.setattr(errors, "_warned", {})
    with pytest.warns(ChoiceWarning, match=r"^Computing in (bf16|f32): .* computes exactly"):
        engine = open_engine(read(tiny.directory), Pooling(), engine="torch", device="cpu")
    assert engine.precision in ("bf16", "f32")


@pytest.mark.slow
def test_without_the_extra_one_line_says_how_to_get_it(tmp_path: Path) -> None:
    save(tmp_path, "albert")
    ran = run_python(
        f"""
        import sys
        import sememe
        for missing in ("torch", "transformers"):
            sys.modules[missing] = None
            for options in ({{}}, {{"engine": "torch"}}, {{"device": "cuda"}}):
                try:
                    sememe.BiEncoder({str(tmp_path)!r}, pooling="mean", **options)
                except sememe.errors.MissingExtra as error:
                    print(error)
            del sys.modules[missing]
        """
    )
    assert ran.stderr == ""
    purposes = ("the architecture 'albert'", "engine='torch'", "device='cuda'")
    expected = [(name, purpose) for name in ("torch", "transformers") for purpose in purposes]
    for line, (name, purpose) in zip(ran.stdout.splitlines(), expected, strict=True):
        message = f'{name} is not installed; needed for {purpose}: pip install "{name}>='
        assert line.startswith(message)


def test_a_broken_torch_is_not_called_missing_and_its_cause_is_kept(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "model")
    (tmp_path / "torch.py").write_text("import no_such_library")
    ran = run_python(
        f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        import sememe
        try:
            sememe.BiEncoder({str(tmp_path / "model")!r}, engine="torch")
        except sememe.errors.BrokenInstall as error:
            print(error)
            print(repr(error.__cause__))
        """
    )
    said, cause = ran.stdout.splitlines()
    assert said.startswith("torch and transformers are installed, but cannot be imported for")
    assert "No module named 'no_such_library'" in said
    assert "no_such_library" in cause


@pytest.mark.parametrize("kind", [None, "no-such-thing"])
def test_an_architecture_that_nobody_knows(tmp_path: Path, kind: str | None) -> None:
    make_checkpoint(tmp_path)
    edit_json(tmp_path / "config.json", model_type=kind)
    with pytest.raises(CheckpointError, match=rf"architecture {kind!r} is not read"):
        BiEncoder(tmp_path, precision="f32")
    with pytest.raises(CheckpointError, match=rf"{kind!r} is not read; those that are: .*bert"):
        BiEncoder(tmp_path, precision="f32", engine="openvino")


def test_weights_that_are_not_all_there_are_not_made_up(tmp_path: Path) -> None:
    make_checkpoint(tmp_path)
    edit_json(tmp_path / "config.json", num_hidden_layers=3)
    with pytest.raises(CheckpointError, match=r"encoder.layer.2.* is missing, as are 15 more"):
        BiEncoder(tmp_path, precision="f32", engine="torch", device="cpu")
    edit_json(tmp_path / "config.json", num_hidden_layers=2, hidden_size=64)
    with pytest.raises(CheckpointError, match=r"transformers .* cannot load it"):
        BiEncoder(tmp_path, precision="f32", engine="torch", device="cpu")


def test_a_damaged_weight_is_noticed(tmp_path: Path, tiny: Tiny) -> None:
    model = transformers.BertModel(tiny.bert.config)
    model.encoder.layer[1].output.dense.bias.data[3] = float("nan")
    make_checkpoint(tmp_path, bert=model)
    with pytest.raises(CheckpointError, match="in f32 this model computes a NaN"):
        BiEncoder(tmp_path, precision="f32", engine="torch", device="cpu")


def test_a_model_of_no_texts_is_refused(tmp_path: Path) -> None:
    make_checkpoint(tmp_path, layout="plain")
    config = transformers.ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
    )
    transformers.ViTModel(config).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="no sentence encoder"):
        BiEncoder(tmp_path, precision="f32", pooling="mean")


# --- code of the checkpoint's own ---

OWN_CONFIG = """
from transformers import BertConfig
class OwnConfig(BertConfig):
    model_type = "own"
"""
OWN_MODEL = """
import pathlib
from transformers import BertModel
from .own_config import OwnConfig
pathlib.Path({path!r}).touch()
class OwnModel(BertModel):
    config_class = OwnConfig
"""


@pytest.mark.slow
def test_a_checkpoint_s_own_code_runs_only_where_it_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Tiny
) -> None:
    folder, ran = tmp_path / "model", tmp_path / "ran"
    make_checkpoint(folder, bert=tiny.bert, head=["normalize"])
    (folder / "own_config.py").write_text(OWN_CONFIG)
    (folder / "own_model.py").write_text(OWN_MODEL.format(path=str(ran)))
    own = {"AutoConfig": "own_config.OwnConfig", "AutoModel": "own_model.OwnModel"}
    monkeypatch.setattr(
        "transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "code")
    )
    monkeypatch.setattr(sys, "path", [*sys.path])

    # An architecture that openvino knows needs no code, whatever is allowed.
    edit_json(folder / "config.json", auto_map=own)
    torch_cpu: dict[str, Any] = {"engine": "torch", "device": "cpu"}
    for options in (
        {"trust_remote_code": True},
        torch_cpu,
        {**torch_cpu, "trust_remote_code": True},
    ):
        BiEncoder(folder, precision="f32", **options).encode(TEXTS)
    assert not ran.exists()

    edit_json(folder / "config.json", model_type="own")
    with pytest.raises(CheckpointError, match=r"trust_remote_code=True runs it"):
        BiEncoder(folder, precision="f32")
    assert not ran.exists()
    with pytest.warns(ChoiceWarning, match="architecture 'own'"):
        encoder = BiEncoder(folder, precision="f32", trust_remote_code=True)
    assert ran.exists()
    np.testing.assert_allclose(encoder.encode(TEXTS), opened(tiny).encode(TEXTS), atol=1e-5)

    (folder / "own_model.py").write_text(OWN_MODEL.format(path=str(ran)) + "# changed\n")
    again = open_engine(
        read(folder), Pooling(), engine="torch", precision="f32", trust_remote_code=True
    )
    assert again.identity != encoder._pipeline.engine.identity


def test_attention_that_a_checkpoint_names_is_not_fetched(tmp_path: Path, tiny: Tiny) -> None:
    make_checkpoint(tmp_path, bert=tiny.bert, head=["normalize"])
    edit_json(tmp_path / "config.json", _attn_implementation="somebody/kernels")
    encoder = BiEncoder(tmp_path, precision="f32", engine="torch", device="cpu")
    np.testing.assert_array_equal(encoder.encode(TEXTS), opened(tiny).encode(TEXTS))
