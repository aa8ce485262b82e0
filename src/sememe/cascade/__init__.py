"""The cascade: a cross-encoder as the teacher of a linear map on a bi-encoder's vectors."""

from sememe.cascade.flow import Cascade, teach
from sememe.cascade.report import CascadeReport
from sememe.cascade.trust import RESOLUTIONS

__all__ = ["RESOLUTIONS", "Cascade", "CascadeReport", "teach"]
