"""The systems that are timed: each function runs in a process of its own and returns its encode."""

import csv
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from peers import Encode

Floats = npt.NDArray[np.float32]

# Tokens a batch for the engines that have no packing of their own: they get ours.
_BUDGET = 1024
CALIBRATION_TEXTS = 600


def _sememe(model: str, precision: str) -> Encode:
    from sememe import BiEncoder

    encoder = BiEncoder(model, precision=precision)
    return lambda texts: encoder.encode(texts, progress=False)


def sememe_int8(model: str) -> Encode:
    return _sememe(model, "int8")


def sememe_bf16(model: str) -> Encode:
    return _sememe(model, "bf16")


def sememe_f32(model: str) -> Encode:
    return _sememe(model, "f32")


def as_it_comes(model: str) -> Encode:
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(model, device="cpu")
    return lambda texts: encoder.encode(texts, show_progress_bar=False)


def its_openvino(model: str) -> Encode:
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(model, backend="openvino", device="cpu")
    return lambda texts: encoder.encode(texts, batch_size=128, show_progress_bar=False)


def its_static_int8(model: str) -> Encode:
    """sentence-transformers' static int8 export, calibrated on texts of the benchmark's kind."""
    from sentence_transformers import SentenceTransformer

    from texts import one_line_texts

    exported = SentenceTransformer(model, backend="openvino", device="cpu")
    folder, file = export_static_int8(exported, one_line_texts(CALIBRATION_TEXTS))
    rounded = SentenceTransformer(folder, backend="openvino", device="cpu", model_kwargs=file)
    return lambda texts: rounded.encode(texts, batch_size=128, show_progress_bar=False)


def export_static_int8(exported: Any, texts: list[str]) -> tuple[str, dict[str, str]]:
    """The folder of a static int8 export, calibrated on texts, and what opens it there."""
    from optimum.intel import OVQuantizationConfig
    from sentence_transformers.backend import export_static_quantized_openvino_model

    folder = Path(tempfile.mkdtemp(prefix="static-int8-"))
    (folder / "data").mkdir()
    with (folder / "data" / "train.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["text"], *([text] for text in texts)])
    exported.save_pretrained(str(folder / "model"))
    export_static_quantized_openvino_model(
        exported,
        OVQuantizationConfig(),
        str(folder / "model"),
        dataset_name=str(folder / "data"),
        dataset_config_name="default",
        dataset_split="train",
        column_name="text",
    )
    return str(folder / "model"), {"file_name": "openvino_model_qint8_quantized.xml"}


def ctranslate2_int8(model: str) -> Encode:
    """CTranslate2 in int8, two workers of one thread, sorted and packed as ours."""
    import ctranslate2
    from ctranslate2.converters import TransformersConverter

    folder = tempfile.mkdtemp(prefix="ctranslate2-")
    TransformersConverter(model).convert(folder, quantization="int8", force=True)
    encoder = ctranslate2.Encoder(
        folder, device="cpu", compute_type="int8", inter_threads=2, intra_threads=1
    )

    def states(ids: npt.NDArray[np.int32], lengths: npt.NDArray[np.int32]) -> Floats:
        rows = [row[:length].tolist() for row, length in zip(ids, lengths, strict=True)]
        return np.array(encoder.forward_batch(rows).last_hidden_state)

    return _packed(model, states)


def onnxruntime_int8(model: str) -> Encode:
    """ONNX Runtime with dynamic int8, two sessions' worth of threads, sorted and packed as ours."""
    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    folder = Path(tempfile.mkdtemp(prefix="onnx-"))
    _export_onnx(model, folder / "model.onnx")
    quant_pre_process(folder / "model.onnx", folder / "ready.onnx", skip_symbolic_shape=True)
    quantize_dynamic(folder / "ready.onnx", folder / "int8.onnx", weight_type=QuantType.QInt8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / "int8.onnx", options)

    def states(ids: npt.NDArray[np.int32], lengths: npt.NDArray[np.int32]) -> Floats:
        found: Floats = session.run(None, _fed(ids, lengths))[0]
        return found

    return _packed(model, states)


def fastembed(model: str) -> Encode:
    """fastembed with the same weights, in ONNX."""
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    folder = Path(tempfile.mkdtemp(prefix="fastembed-"))
    for file in Path(model).glob("*.json"):
        (folder / file.name).write_bytes(file.read_bytes())
    _export_onnx(model, folder / "model.onnx")
    TextEmbedding.add_custom_model(
        model="local/all-MiniLM-L6-v2",
        pooling=PoolingType.MEAN,
        normalization=True,
        sources=ModelSource(hf="local/all-MiniLM-L6-v2"),
        dim=384,
        model_file="model.onnx",
    )
    encoder = TextEmbedding("local/all-MiniLM-L6-v2", specific_model_path=str(folder), threads=2)
    return lambda texts: np.array(list(encoder.embed(texts)))


def _packed(
    model: str, states: Callable[[npt.NDArray[np.int32], npt.NDArray[np.int32]], Floats]
) -> Encode:
    """Sorting, packing and mean pooling for an engine that gives token vectors."""
    from sememe.checkpoint import read
    from sememe.text import Batch, Tokenizer, batches

    tokenizer = Tokenizer(read(model))

    def pooled(batch: Batch) -> tuple[npt.NDArray[np.intp], Floats]:
        real = np.arange(batch.ids.shape[1]) < batch.lengths[:, None]
        total = (states(batch.ids, batch.lengths) * real[..., None]).sum(axis=1)
        return batch.rows, total / np.linalg.norm(total, axis=1, keepdims=True)

    def encode(texts: list[str]) -> Floats:
        tokens = tokenizer(texts)
        packed = batches(tokens, np.arange(len(texts)), _BUDGET)
        with ThreadPoolExecutor(2) as workers:
            found = list(workers.map(pooled, packed))
        vectors = np.empty((len(texts), found[0][1].shape[1]), np.float32)
        for rows, values in found:
            vectors[rows] = values
        return vectors

    return encode


def _fed(ids: npt.NDArray[np.int32], lengths: npt.NDArray[np.int32]) -> dict[str, Any]:
    mask = (np.arange(ids.shape[1]) < lengths[:, None]).astype(np.int64)
    zeros = np.zeros_like(mask)
    return {"input_ids": ids.astype(np.int64), "attention_mask": mask, "token_type_ids": zeros}


def _export_onnx(model: str, path: Path) -> None:
    import torch
    from transformers import AutoModel

    bert = AutoModel.from_pretrained(model, attn_implementation="eager")
    bert = bert.eval().requires_grad_(False)

    class States(torch.nn.Module):  # type: ignore[misc]
        def forward(self, ids: Any, mask: Any, types: Any) -> Any:
            # Given whole, the mask is not built by code that cannot be traced.
            bias = (1 - mask[:, None, None, :].float()) * torch.finfo(torch.float32).min
            whole = bias.expand(-1, 1, ids.shape[1], -1)
            return bert(input_ids=ids, attention_mask=whole, token_type_ids=types)[0]

    fed = (torch.ones(2, 7, dtype=torch.long),) * 2 + (torch.zeros(2, 7, dtype=torch.long),)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    torch.onnx.export(
        States().eval(),
        fed,
        str(path),
        input_names=names,
        output_names=["last_hidden_state"],
        dynamic_axes={name: {0: "b", 1: "t"} for name in [*names, "last_hidden_state"]},
        dynamo=False,
    )
