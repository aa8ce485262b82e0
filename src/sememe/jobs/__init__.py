"""Long jobs in shards: interrupted at any moment, they resume and give the same."""

from sememe.jobs.job import Job, flat
from sememe.jobs.rows import FileRows, Part

__all__ = ["FileRows", "Job", "Part", "flat"]
