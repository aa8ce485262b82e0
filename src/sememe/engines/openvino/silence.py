"""Import openvino without its telemetry.

`import openvino` sends an event to Google Analytics through the package `openvino_telemetry`, which
it installs as a dependency. Where that package cannot be imported, openvino takes a stub of its own
that sends nothing: so it is hidden while openvino is imported, and only then.
"""

import sys
from typing import Any

_TELEMETRY = "openvino_telemetry"

if "openvino" not in sys.modules and _TELEMETRY not in sys.modules:
    modules: dict[str, Any] = sys.modules
    modules[_TELEMETRY] = None
    try:
        import openvino  # noqa: F401
    finally:
        del modules[_TELEMETRY]
