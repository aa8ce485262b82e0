"""What does the arithmetic: one contract, one folder or file an engine."""

from sememe.engines.engine import Array as Array
from sememe.engines.engine import Engine as Engine
from sememe.engines.engine import Output as Output
from sememe.engines.engine import load_ahead as load_ahead
from sememe.engines.engine import open_engine as open_engine
from sememe.engines.engine import output_name as output_name
from sememe.engines.ranges import Ranges as Ranges
from sememe.engines.ranges import find_ranges as find_ranges
from sememe.engines.ranges import save_ranges as save_ranges
