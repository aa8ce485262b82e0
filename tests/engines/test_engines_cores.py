"""As many streams as cores that this process may use, and no more."""

import os

import pytest

from processes import run_python
from sememe.engines.processor import usable_cores
from tiny_models import Tiny


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux has affinities")
def test_a_process_bound_to_one_processor_uses_one(tiny: Tiny) -> None:
    ran = run_python(
        f"""
        import os
        os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}})
        import numpy as np, sememe
        from sememe.engines.processor import usable_cores
        encoder = sememe.BiEncoder({str(tiny.directory)!r}, precision="f32")
        result = encoder.encode([f"wind {{i}}" for i in range(99)])
        print(usable_cores(), encoder._pipeline.engine.streams, len(os.sched_getaffinity(0)))
        print(result.shape, np.isfinite(result).all())
        """
    )
    assert ran.stdout.splitlines() == ["1 1 1", "(99, 32) True"]


def test_there_is_at_least_one_core_and_no_more_than_processors() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
