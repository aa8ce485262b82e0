"""What this processor can multiply in hardware."""

import platform
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
# Linux's names for instructions that sum products of 8-bit numbers without saturating.
_INT8 = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"}


def features() -> frozenset[str]:
    """The processor's features as Linux calls them; of Apple's, those that all of them have."""
    try:
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        apple = platform.system() == "Darwin" and platform.machine() == "arm64"
        return frozenset({"asimddp"} if apple else ())
    said = (line.partition(":") for line in lines)
    names = (value for key, _, value in said if key.strip() in ("flags", "Features"))
    return frozenset(next(names, "").split())


def multiplies_int8() -> bool:
    """Whether int8 products are exact and fast (VNNI, AMX, ARM's dot products).

    Without them x86 processors sum 8-bit products in 16 bits, which saturates.
    """
    return bool(_INT8 & features())
