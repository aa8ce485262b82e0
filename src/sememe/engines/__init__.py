"""What does the arithmetic: one contract, one folder or file an engine."""

from sememe.engines.engine import Array, Engine, Output, output_name
from sememe.engines.open import load_ahead, open_engine
from sememe.engines.ranges import Ranges, find_ranges, save_ranges

__all__ = [
    "Array",
    "Engine",
    "Output",
    "Ranges",
    "find_ranges",
    "load_ahead",
    "open_engine",
    "output_name",
    "save_ranges",
]
