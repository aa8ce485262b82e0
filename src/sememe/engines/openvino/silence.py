"""Import openvino without its telemetry.

`import openvino` sends an event to Google Analytics through the package `openvino_telemetry`, which
it installs as a dependency. Where that package cannot be imported, openvino takes a stub of its own
that sends nothing: so it is hidden while openvino is imported, and only then.
"""

import sys
from typing import Any

_TELEMETRY = "openvino_telemetry"

modules: dict[str, Any] = sys.modules
hidden = "openvino" not in modules and _TELEMETRY not in modules
if hidden:
    modules[_TELEMETRY] = None
try:
    import openvino as openvino
finally:
    if hidden:
        del modules[_TELEMETRY]
