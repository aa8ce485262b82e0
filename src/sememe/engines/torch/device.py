"""Where to compute, and in which precision."""

import torch

from sememe.cache import first_time
from sememe.engines.processor import features
from sememe.errors import ChoiceWarning, InputError, warn

_DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
_KNOWN = ", ".join(_DTYPES)
_BF16 = {"avx512_bf16", "amx_bf16", "bf16"}


def choose_device(asked: str | None) -> torch.device:
    """The device that was asked for; of none, cuda where it is, else mps, else the cpu.

    Raises:
        InputError: it is not there; the message says which are.
    """
    there = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    there += ["mps", "cpu"] if torch.backends.mps.is_available() else ["cpu"]
    asked = there[0] if asked is None else "cuda:0" if asked == "cuda" else asked
    if asked not in there:
        raise InputError(f"device={asked!r} is not there; there are: {', '.join(there)}.")
    if asked.startswith("cuda") and torch.cuda._is_in_bad_fork():
        raise InputError(
            f"device={asked!r}: a forked process cannot use the GPU that its parent uses; start "
            'processes by multiprocessing.get_context("spawn").'
        )
    return torch.device(asked)


def choose_precision(asked: str, device: torch.device) -> tuple[str, torch.dtype]:
    """Turn what was asked for into f32, bf16 or f16; `auto` says once a machine what it took.

    Raises:
        InputError: a precision that is not known, or not on this device.
    """
    if asked == "int8":
        raise InputError(
            f'precision="int8" is for engine="openvino"; the torch engine computes in {_KNOWN}.'
        )
    if asked not in ("auto", *_DTYPES):
        raise InputError(f"precision={asked!r} is not known; there are auto, {_KNOWN}.")
    if asked == "f16" and device.type == "cpu":
        raise InputError('precision="f16" is for GPUs; on the cpu there are f32 and bf16.')
    if asked == "auto":
        asked, why = narrowest(device)
        if first_time(f"precision-torch-{asked}"):
            warn(
                f'Computing in {asked}: {why}. precision="f32" (--precision f32) computes '
                "exactly. This is said once on this machine.",
                ChoiceWarning,
                once=True,
            )
    return asked, _DTYPES[asked]


def narrowest(device: torch.device) -> tuple[str, str]:
    """The narrowest precision that is known to be good on a device, and why."""
    if device.type == "cuda":
        able = torch.cuda.is_bf16_supported(including_emulation=False)
        return ("bf16", "this GPU has it") if able else ("f16", "this GPU has no bf16")
    if device.type == "cpu" and _BF16 & features():
        return "bf16", "this processor has bfloat16 products"
    return "f32", f"nothing narrower is known to be good on this {device.type}"
