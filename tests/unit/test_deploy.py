"""What is deployed names what the code has."""

import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from triage import bootstrap, config
from triage.model import Stage
from triage.tools import webhook
from workers.app import app

ROOT = Path(__file__).parents[2]
NESTED = {
    "tracker": list(webhook.Settings.model_fields),
    "notifier": list(webhook.Settings.model_fields),
    "review": list(config.Review.model_fields),
    "console": list(config.Console.model_fields),
    "duplicates": list(config.DuplicateSettings.model_fields),
    "objectives": list(config.Objectives.model_fields),
    "alerts": list(config.Alerts.model_fields),
}
COMPOSE_ONLY = {"POSTGRES_PASSWORD", "FLOWER_PASSWORD"}


def variables() -> Iterator[str]:
    """The environment variable of every setting; of a tool and a review those of its fields."""
    for name in config.Settings.model_fields:
        variable = f"{config.PREFIX}{name.upper()}"
        fields = NESTED.get(name, ["kind"] if name in config.TOOLS else [])
        yield from (f"{variable}__{inner.upper()}" for inner in fields) if fields else [variable]


def test_the_example_environment_names_exactly_the_settings() -> None:
    """Every setting is in the example file, and nothing else is."""
    text = (ROOT / "deploy" / ".env.example").read_text()
    named = set(re.findall(r"^#?([A-Z][A-Z_]+)=", text, flags=re.MULTILINE))
    assert named - COMPOSE_ONLY == set(variables())


def test_the_compose_file_sets_only_settings() -> None:
    """No variable of the product in the compose file is misspelt."""
    text = (ROOT / "deploy" / "compose.yaml").read_text()
    assert set(re.findall(r"\bTRIAGE_[A-Z_]+", text)) <= set(variables())


def test_every_stage_has_its_queue_and_its_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queues and tasks carry the names of the stages."""
    monkeypatch.setenv("TRIAGE_BROKER_URL", "redis://127.0.0.1:1/0")  # nothing is started for this
    monkeypatch.setattr(bootstrap, "_services", {})
    app.loader.import_default_modules()
    assert {stage.value for stage in Stage} < {queue.name for queue in app.conf.task_queues}
    assert {f"triage.{stage}" for stage in Stage} <= set(app.tasks)


def test_the_wheel_has_every_file_that_the_package_needs() -> None:
    """Every file of the product that is no Python module is named in the packaging."""
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["triage"]
    needed = {
        str(path.relative_to(ROOT / "triage"))
        for path in (ROOT / "triage").rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    }
    assert not {path for path in needed if not any(fnmatch(path, pattern) for pattern in named)}
