"""Which precision to compute in, and whether this processor can."""

import openvino

from sememe.errors import ChoiceWarning, InputError, warn

PRECISIONS = ("auto", "f32", "bf16")


def choose_precision(asked: str, core: openvino.Core) -> str:
    """Turn what was asked for into f32 or bf16; `auto` says once what it took.

    Raises:
        InputError: an unknown precision, or bf16 on a processor without bfloat16 products.
    """
    if asked not in PRECISIONS:
        raise InputError(f"precision={asked!r} is not known; there are {', '.join(PRECISIONS)}.")
    able = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if asked == "bf16" and not able:
        raise InputError(
            'precision="bf16" needs a processor with bfloat16 products (AVX512-BF16, AMX or ARM '
            'BF16), which this one has not; use precision="f32".'
        )
    if asked != "auto":
        return asked
    taken, why = ("bf16", "has") if able else ("f32", "has no")
    warn(
        f'precision="auto" took {taken}: this processor {why} bfloat16 products. '
        f'precision="{taken}" takes the same without saying so.',
        ChoiceWarning,
        once=True,
    )
    return taken
