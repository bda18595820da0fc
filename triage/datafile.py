"""Data that people write: TOML files."""

import tomllib
from pathlib import Path
from typing import Any

from triage import errors


def read(path: Path) -> dict[str, Any]:
    """The tables of a TOML file; raises InvalidSetting, naming the file, when it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise errors.InvalidSetting(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # no UTF-8, or no TOML
        raise errors.InvalidSetting(f"{path}: is not valid TOML: {error}") from None
