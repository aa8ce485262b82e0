"""Which precision to compute in, and whether this processor can."""

from dataclasses import dataclass

from sememe.cache import first_time
from sememe.engines.openvino.silence import openvino
from sememe.engines.processor import multiplies_int8
from sememe.engines.ranges import Ranges
from sememe.errors import ChoiceWarning, InputError, warn

PRECISIONS = ("auto", "f32", "bf16", "int8")

# Below these fidelities (mean, least) on held-back calibration texts, `auto` takes no int8.
BARS = {"cosine": (0.995, 0.97), "correlation": (0.995, 0.7)}


@dataclass(frozen=True)
class Choice:
    """A precision, and why `auto` takes it here."""

    precision: str
    why: str


def multiplies_bf16(core: openvino.Core) -> bool:
    """Whether the processor has bfloat16 products."""
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def automatic(core: openvino.Core, ranges: Ranges | None, output: str) -> Choice:
    """What `auto` takes for an output: the fastest that this processor and these ranges allow."""
    no_int8 = _why_no_int8(ranges, output)
    if ranges is not None and not no_int8:
        found = ranges.fidelity
        return Choice(
            "int8",
            f"this processor has int8 dot products, and the {found.measure} to f32 is "
            f"{found.mean:.4f} (least {found.least:.4f}) on {found.texts} calibration texts",
        )
    if multiplies_bf16(core):
        return Choice("bf16", f"this processor has bfloat16 products; {no_int8}")
    return Choice("f32", f"this processor has no bfloat16 products; {no_int8}")


def _why_no_int8(ranges: Ranges | None, output: str) -> str:
    """Why int8 is not taken; "" where it is."""
    if not multiplies_int8():
        return "this processor has no int8 dot products"
    if ranges is None:
        return "this checkpoint has no int8 ranges (sememe quantize MODEL makes them)"
    if ranges.output != output:
        return f"its int8 ranges were measured for {ranges.output} and not for {output}"
    found = ranges.fidelity
    mean, least = BARS[found.measure]
    if found.mean >= mean and found.least >= least:
        return ""
    return (
        f"int8 is too far from f32 here ({found.measure} {found.mean:.4f}, least "
        f"{found.least:.4f}; {mean} and {least} are asked)"
    )


def choose_precision(asked: str, core: openvino.Core, ranges: Ranges | None, output: str) -> str:
    """Turn what was asked for into f32, bf16 or int8; `auto` says once a machine what it took.

    Raises:
        InputError: an unknown precision, or one that this processor or checkpoint does not allow.
    """
    if asked not in PRECISIONS:
        gpus = ' f16 is for GPUs, with engine="torch".' if asked == "f16" else ""
        raise InputError(
            f"precision={asked!r} is not known; there are {', '.join(PRECISIONS)}.{gpus}"
        )
    if asked == "bf16" and not multiplies_bf16(core):
        raise InputError(
            'precision="bf16" needs a processor with bfloat16 products (AVX512-BF16, AMX or ARM '
            'BF16), which this one has not; use precision="f32".'
        )
    if asked == "int8" and not multiplies_int8():
        raise InputError(
            'precision="int8" needs a processor with int8 dot products (VNNI, AMX or ARM\'s), '
            'which this one has not; use precision="f32".'
        )
    if asked == "int8" and ranges is None:
        raise InputError(
            'precision="int8" needs ranges that were measured for this checkpoint, and there are '
            "none. Measure them once: sememe quantize MODEL"
        )
    if asked != "auto":
        return asked
    choice = automatic(core, ranges, output)
    if first_time(f"precision-{choice.precision}"):
        warn(_meaning(choice, ranges), ChoiceWarning, once=True)
    return choice.precision


def _meaning(choice: Choice, ranges: Ranges | None) -> str:
    """What `auto`'s choice means to somebody who has never heard of precisions."""
    if choice.precision == "f32":
        return f"Computing in f32, the exact precision: {choice.why}."
    differ = "similarities differ in the fourth decimal"
    if choice.precision == "int8":
        differ = "similarities differ in the third decimal"
        if ranges is not None and ranges.fidelity.measure != "cosine":
            differ = f"scores correlate to {ranges.fidelity.mean:.3f} with the exact ones"
    faster = "3 times" if choice.precision == "int8" else "twice"
    return (
        f"Computing in {choice.precision}: about {faster} as fast, and {differ}; "
        'precision="f32" (--precision f32) computes exactly. This is said once on this machine.'
    )
