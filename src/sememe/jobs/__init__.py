"""Long jobs in shards: killed at any moment, they go on, and end as if nothing had happened."""

from sememe.jobs.job import Job, flat
from sememe.jobs.rows import FileRows, Part

__all__ = ["FileRows", "Job", "Part", "flat"]
