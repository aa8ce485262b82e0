"""`sememe doctor`: what this machine can do, what is here, and what is missing for what."""

import argparse
import importlib.metadata
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sememe
from sememe.cli.models import described, found_models, line_of
from sememe.cli.parser import add_command, add_json, print_json

if TYPE_CHECKING:
    from sememe.cli.parser import Commands

_PACKAGES = ("numpy", "scipy", "openvino", "tokenizers", "safetensors", "scikit-network",
             "huggingface-hub", "pyarrow")  # fmt: skip
_SHOWN = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8",
          "asimddp", "i8mm", "bf16")  # fmt: skip
_MINILM = (384, 1536)


def add_commands(commands: "Commands") -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "doctor",
        summary="see what this machine can do, and what is missing for what",
        description="Show the processor's features, the precision that auto takes and why, how "
        "fast matrix products are here, versions, caches, models, and what is missing for what. "
        "Takes a few seconds; the network is not touched.",
        examples="sememe doctor\nsememe doctor --json > doctor.json",
    )
    add_json(parser, "the findings")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    found = _examined()
    if options.json:
        print_json(found)
    else:
        print("\n".join(_lines(found)))
    return 0 if found["models"] else 2


def _examined() -> dict[str, Any]:
    from sememe.engines import find_ranges
    from sememe.engines.openvino.cores import usable_cores
    from sememe.engines.openvino.precision import automatic
    from sememe.engines.openvino.products import product_rate
    from sememe.engines.openvino.runtime import core
    from sememe.engines.processor import features

    models = found_models()
    found = (model.checkpoint for model in models if model.checkpoint)
    readable = [checkpoint for checkpoint in found if checkpoint.static is None]
    ranges = find_ranges(readable[0].weights.sha256) if readable else None
    choice = automatic(core(), ranges, ranges.output if ranges else "")
    capable = core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    rates = ["f32", *(["bf16"] if "BF16" in capable else []), "int8"]
    return {
        "processor": core().get_property("CPU", "FULL_DEVICE_NAME"),
        "features": [name for name in _SHOWN if name in features()],
        "cores": usable_cores(),
        "gflops": {name: round(product_rate(name, *_MINILM, 0.3) / 1e9) for name in rates},
        "auto": {"precision": choice.precision, "why": choice.why},
        "versions": {
            "sememe": sememe.__version__,
            "python": platform.python_version(),
            **{name: _version(name) for name in _PACKAGES},
        },
        "caches": _caches(),
        "models": [described(model) for model in models],
        "missing": _missing(bool(readable)),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _caches() -> dict[str, int]:
    from huggingface_hub.constants import HF_HUB_CACHE

    from sememe.cache import cache_directory

    return {str(path): _size(path) for path in (cache_directory(), Path(HF_HUB_CACHE))}


def _size(directory: Path) -> int:
    # Links of the Hub's cache lead to files that are counted themselves.
    paths = (path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in paths)


def _missing(model: bool) -> dict[str, str]:
    """What cannot be done here, and the command that mends it."""
    missing = {}
    if not model:
        missing["a model"] = "sememe pull all-MiniLM-L6-v2"
    if _version("pyarrow") is None:
        missing["parquet files"] = 'pip install "sememe[parquet]"'
    if _version("torch") is None or _version("transformers") is None:
        missing["GPUs and further architectures"] = 'pip install "sememe[torch]"'
    return missing


def _lines(found: dict[str, Any]) -> list[str]:
    rates = ", ".join(f"{name} {rate}" for name, rate in found["gflops"].items())
    versions = ", ".join(f"{name} {said or '(none)'}" for name, said in found["versions"].items())
    lines = [
        f"processor   {found['processor']}, {found['cores']} cores",
        f"features    {', '.join(found['features']) or 'none that matter here'}",
        f"products    {rates} (GFLOP/s, all cores, 1,024 rows of {_MINILM[0]})",
        f"precision   auto takes {found['auto']['precision']}: {found['auto']['why']}",
        f"versions    {versions}",
    ]
    lines += [f"cache       {path}: {size / 1e6:.0f} MB" for path, size in found["caches"].items()]
    lines += [f"model       {line_of(model)}" for model in found["models"]]
    lines += [f"missing     for {what}: {mend}" for what, mend in found["missing"].items()]
    return lines
