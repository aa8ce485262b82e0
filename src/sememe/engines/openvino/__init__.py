"""The engine for CPUs: graphs written straight from config.json and model.safetensors.

`import openvino` sends an event to Google Analytics through the package `openvino_telemetry`. Where
that cannot be imported, openvino takes a stub of its own: so it is hidden meanwhile.
"""

import sys
from typing import Any

_TELEMETRY = "openvino_telemetry"

_modules: dict[str, Any] = sys.modules
_is_hidden = "openvino" not in _modules and _TELEMETRY not in _modules
if _is_hidden:
    _modules[_TELEMETRY] = None
try:
    import openvino as openvino
finally:
    if _is_hidden:
        del _modules[_TELEMETRY]
