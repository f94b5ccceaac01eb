"""Settings: defaults < config.toml < environment (G2). `load` gives them, or every mistake at once."""

from __future__ import annotations

from terracrm.config.settings import Settings, ensure_data_dir, load

__all__ = ["Settings", "ensure_data_dir", "load"]
