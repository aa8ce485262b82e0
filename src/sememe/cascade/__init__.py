"""The cascade: a cross-encoder as the teacher of a linear map on a bi-encoder's vectors."""

from sememe.cascade.flow import Cascade, teach
from sememe.cascade.linear import LinearMap
from sememe.cascade.report import CascadeReport
from sememe.cascade.scores import as_teacher

__all__ = ["Cascade", "CascadeReport", "LinearMap", "as_teacher", "teach"]
