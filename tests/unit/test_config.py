"""Wrong settings stop at the start, with the name of the setting."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from triage import config, toolset
from triage.errors import InvalidSetting
from triage.model import ToolClass


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Start in an empty folder, with no settings in the environment."""
    for name in [name for name in os.environ if name.startswith(config.PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def refusal(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    """What is said about these variables."""
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    with pytest.raises(InvalidSetting) as raised:
        config.load()
    return str(raised.value)


def test_nothing_needs_to_be_set() -> None:
    """Without any setting the embedded servers and the local tools are used."""
    settings = config.load()
    assert (settings.database_url, settings.broker_url) == (None, None)
    assert (settings.tracker.kind, settings.notifier.kind) == ("local", "local")


WEBHOOK = {"TRIAGE_TRACKER__KIND": "webhook", "TRIAGE_TRACKER__URL": "https://example.org/hook"}
WRONG = [
    ("TRIAGE_SLOTS", "many"),
    ("TRIAGE_SLOTS", "0"),
    ("TRIAGE_ATTEMPTS", "1001"),
    ("TRIAGE_QUEUE_LOW", "-1"),
    ("TRIAGE_DATABASE_CONNECTIONS", "1"),
    ("TRIAGE_LOG_FORMAT", "xml"),
    ("TRIAGE_PROJECT", ""),
    ("TRIAGE_TRACKER__KIND", "jira"),
    ("TRIAGE_TRACKER__URL", "ftp://example.org"),
    ("TRIAGE_TRACKER__TIMEOUT", "PT0S"),
    ("TRIAGE_TRACKER__TIMEOUT", "soon"),
    ("TRIAGE_TRACKER__TOOL_CLASS", "guessing"),
    ("TRIAGE_NOTIFIER__QUARANTINE", "PT2H"),
    ("TRIAGE_NOTIFIER__SURPRISE", "1"),
]


@pytest.mark.parametrize(("name", "text"), WRONG)
def test_a_wrong_value_names_its_setting(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    """A value that cannot be used is refused with the variable's name."""
    other = {f"{name.split('__', maxsplit=1)[0]}__KIND": "webhook"} if "__" in name else {}
    assert name in refusal(monkeypatch, **{**other, name: text})


@pytest.mark.parametrize("name", ["TRIAGE_SLOT", "TRIAGE_DATABASEURL", "TRIAGE_TRAKCER__KIND"])
def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A variable with our prefix that is no setting is refused instead of being ignored, and the settings are named."""
    told = refusal(monkeypatch, **{name: "5"})
    assert name in told
    assert "DATABASE_URL" in told


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"TRIAGE_QUEUE_LOW": "700"}, "queue_low must not be above queue_high"),
        ({"TRIAGE_DATABASE_URL": "postgres://db/triage"}, "database_url must start with"),
        ({"TRIAGE_TRACKER__KIND": "webhook"}, "TRIAGE_TRACKER__URL): Field required"),
        ({**WEBHOOK, "TRIAGE_TRACKER__TOOL_CLASS": "findable"}, "`find_url`"),
        ({**WEBHOOK, "TRIAGE_TRACKER__TOOL_CLASS": "windowed"}, "`key_window`"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], told: str
) -> None:
    """What does not fit together is refused with the reason."""
    assert told in refusal(monkeypatch, **variables)


def test_a_password_in_a_refused_setting_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal does not repeat the value, which may hold a secret."""
    told = refusal(monkeypatch, TRIAGE_DATABASE_URL="mysql://me:hunter2@db/triage")
    assert "hunter2" not in told


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where both say something the variable counts, and the rest of the file still holds."""
    file = '[tracker]\nkind = "webhook"\nurl = "http://a"\ntool_class = "keyed"\ntimeout = "PT5S"\n'
    (tmp_path / config.FILE).write_text("slots = 5\nattempts = 7\n" + file)
    monkeypatch.setenv("TRIAGE_SLOTS", "9")
    monkeypatch.setenv("TRIAGE_TRACKER__URL", "http://b")
    settings = config.load()
    assert (settings.slots, settings.attempts) == (9, 7)
    assert (settings.tracker.url, settings.tracker.tool_class) == ("http://b", ToolClass.KEYED)
    assert settings.tracker.timeout == timedelta(seconds=5)


def test_a_tracker_without_a_place_of_its_own_files_in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its adapter knows that place too, so that it is swept and checked."""
    for name, value in {"TRACKER__KIND": "github", "TRACKER__TOKEN": "t", "PROJECT": "acme/shop"}.items():
        monkeypatch.setenv(f"TRIAGE_{name}", value)
    placed = toolset.placed(config.load(), toolset.TRACKER)
    assert placed is not None
    assert placed.target == "acme/shop"


@pytest.mark.parametrize("text", ["slots = ", "surprise = 1\n", "slots = 'x'\n"])
def test_a_wrong_file_is_refused(tmp_path: Path, text: str) -> None:
    """A file that is broken, or sets something unknown or wrong, is refused."""
    (tmp_path / config.FILE).write_text(text)
    with pytest.raises(InvalidSetting, match=r"triage\.toml"):
        config.load()
