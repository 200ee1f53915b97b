"""What a process loads first that has this folder on its PYTHONPATH: to it, the extra `network` is not installed."""

import sys

sys.modules["tensorflow"] = None  # type: ignore[assignment]
