"""What this processor can compute fast, and which precision follows from that."""

import os
import platform
from pathlib import Path
from typing import Any

from sememe.arguments import one_of
from sememe.cache import first_time
from sememe.engines.ranges import Ranges
from sememe.errors import ChoiceWarning, InputError, warn

PRECISIONS = ("auto", "f32", "bf16", "int8")

# Below these fidelities (mean, least) on held-back calibration texts, `auto` takes no int8.
_LOWEST = {"cosine": (0.995, 0.97), "correlation": (0.995, 0.7)}
_NEEDS = {
    "bf16": "bfloat16 products (AVX512-BF16, AMX or ARM BF16)",
    "int8": "int8 dot products (VNNI, AMX or ARM's)",
}
NO_RANGES = (
    "needs ranges that were measured for this checkpoint, and there are none. Measure them once: "
    "sememe quantize MODEL"
)
# What `auto`'s choice means to somebody who has never heard of precisions.
_EFFECTS = {
    "int8": "about 3 times as fast, and similarities differ in the third decimal",
    "bf16": "about twice as fast, and similarities differ in the fourth decimal",
}
_CPUINFO = Path("/proc/cpuinfo")
_TOPOLOGY = Path("/sys/devices/system/cpu")
# Linux's names for instructions that sum products of 8-bit numbers without saturating.
_INT8 = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"}


def usable_cores() -> int:
    """Physical cores in the process's CPU affinity (two hyper-threads of a core count once)."""
    if not hasattr(os, "sched_getaffinity"):  # macOS, Windows
        return max(1, os.cpu_count() or 1)
    cores = set()
    for number in os.sched_getaffinity(0):
        siblings = _TOPOLOGY / f"cpu{number}" / "topology" / "thread_siblings_list"
        try:
            cores.add(siblings.read_text())
        except OSError:  # some containers hide the topology
            cores.add(str(number))
    return max(1, len(cores))


def features() -> frozenset[str]:
    """The processor's features as Linux calls them; of Apple's, those that all of them have."""
    try:
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        is_apple = platform.system() == "Darwin" and platform.machine() == "arm64"
        return frozenset({"asimddp"} if is_apple else ())
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def multiplies_int8() -> bool:
    """Whether int8 products are exact and fast (VNNI, AMX, ARM's dot products).

    Without them x86 processors sum 8-bit products in 16 bits, which saturates.
    """
    return bool(_INT8 & features())


def multiplies_bf16(core: Any) -> bool:
    """Whether the processor has bfloat16 products, by OpenVINO's core."""
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def automatic(core: Any, ranges: Ranges | None, output: str) -> tuple[str, str]:
    """The precision that `auto` takes for an output, the fastest that is accurate, and why."""
    why_no_int8 = _why_no_int8(ranges, output)
    if ranges is not None and not why_no_int8:
        fidelity = ranges.fidelity
        why = (
            f"this processor has int8 dot products, and the {fidelity.measure} to f32 is "
            f"{fidelity.mean:.4f} (least {fidelity.least:.4f}) on {fidelity.texts} calibration "
            "texts"
        )
        return "int8", why
    if multiplies_bf16(core):
        return "bf16", f"this processor has bfloat16 products; {why_no_int8}"
    return "f32", f"this processor has no bfloat16 products; {why_no_int8}"


def _why_no_int8(ranges: Ranges | None, output: str) -> str:
    """Why int8 is not taken; "" where it is."""
    if not multiplies_int8():
        return "this processor has no int8 dot products"
    if ranges is None:
        return "this checkpoint has no int8 ranges (sememe quantize MODEL makes them)"
    if ranges.output != output:
        return f"its int8 ranges were measured for {ranges.output} and not for {output}"
    fidelity = ranges.fidelity
    mean, least = _LOWEST[fidelity.measure]
    if fidelity.mean >= mean and fidelity.least >= least:
        return ""
    return (
        f"int8 is too far from f32 for this model ({fidelity.measure} {fidelity.mean:.4f}, least "
        f"{fidelity.least:.4f}; {mean} and {least} are needed)"
    )


def choose_precision(precision: str, core: Any, ranges: Ranges | None, output: str) -> str:
    """f32, bf16 or int8 for the openvino engine, else InputError; `auto` says once what it took."""
    if precision == "f16":
        raise InputError('precision="f16" is for GPUs, with engine="torch".')
    one_of("precision", precision, PRECISIONS)
    if (precision == "bf16" and not multiplies_bf16(core)) or (
        precision == "int8" and not multiplies_int8()
    ):
        raise InputError(
            f'precision="{precision}" needs a processor with {_NEEDS[precision]}, which this one '
            'does not have; use precision="f32".'
        )
    if precision == "int8" and ranges is None:
        raise InputError(f'precision="int8" {NO_RANGES}')
    if precision != "auto":
        return precision
    precision, why = automatic(core, ranges, output)
    announce(precision, precision, _EFFECTS.get(precision, why))
    return precision


def announce(name: str, precision: str, effect: str) -> None:
    """Say once on this machine, by a note of this name, which precision `auto` took."""
    if first_time(f"precision-{name}"):
        warn(
            f'Computing in {precision}: {effect}. precision="f32" (--precision f32) computes '
            "exactly. This is said once on this machine.",
            ChoiceWarning,
            once=True,
        )
