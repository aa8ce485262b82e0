"""Which encoder is the right tool: measured on the user's data and machine."""

from sememe.selection.choosing import select
from sememe.selection.result import Row, Scale, Selection

__all__ = ["Row", "Scale", "Selection", "select"]
