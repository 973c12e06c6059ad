"""The folder of shared reference material, which lies beside the repository and may be absent."""

import os
from pathlib import Path

_folder = Path(os.environ.get("KMSD_SHARED") or Path(__file__).parents[2] / "shared")
SHARED: Path | None = _folder if (_folder / "oasis").is_dir() else None
