"""The policy: how a file is read, what is said about a broken one, and how it names what decided."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.guarding import policy
from triage import errors
from triage.guards import units
from triage.guards.policy import Policy
from triage.model import Severity

PRINT_VERSION = "from triage.guards.policy import Policy; print(Policy.load().version)"


def test_the_shipped_file_says_what_is_safe_without_it() -> None:
    """Every line of the shipped file gives the value that a policy without the line has."""
    assert Policy.load() == Policy(name="shipped")


def test_the_safe_bounds() -> None:
    """A calendar block is at most 2 h long, has at most 5 attendees, and none from a domain that nobody listed."""
    events = Policy.load().events
    assert (events.longest, events.most_attendees, events.domains) == (timedelta(hours=2), 5, ())
    assert Policy.load().tickets.per_run == 1
    assert Policy.load().follow_ups.kinds == ("calendar.block",)


def test_a_file_is_read(tmp_path: Path) -> None:
    """What a file says is in force, with durations, hours and time zones as people write them."""
    read = policy(
        tmp_path,
        'events = { longest = "90 min", working_hours = "07:30-24:00", time_zone = "Europe/Berlin" }\n'
        'approval = { severities = ["critical"], lifetime = "2 d" }\n',
    )
    assert read.events.longest == timedelta(minutes=90)
    assert (read.events.working_hours.start, read.events.working_hours.end) == (
        timedelta(hours=7, minutes=30),
        timedelta(hours=24),
    )
    assert read.approval.severities == (Severity.CRITICAL,)
    assert read.approval.lifetime == timedelta(days=2)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[evnts]", "evnts: Extra inputs"),
        ("[tickets]\nper_run = true", "tickets.per_run: Input should be a valid integer"),
        ("[tickets]\nper_run = 0", "tickets.per_run"),
        ("[tickets]\ntargets = [3]", "tickets.targets.0"),
        ("[events]\nlongest = 2", "events.longest: should be a duration such as 2 h"),
        ('[events]\nlongest = "2 hours"', "events.longest: should be a duration"),
        ('[events]\nlongest = "0 h"', "events.longest"),
        ('[events]\nworking_hours = "17:00-09:00"', "events.working_hours: should end after it starts"),
        ('[events]\nworking_hours = "09:00-24:01"', "events.working_hours: should end"),
        ('[events]\nworking_hours = "09:60-17:00"', "events.working_hours: should be hours such as"),
        ('[events]\nworking_hours = "9-17"', "events.working_hours: should be hours such as"),
        ('[events]\nworking_days = ["Mo"]', "events.working_days.0"),
        ("[events]\nworking_days = []", "events.working_days"),
        ('[events]\ntime_zone = "Mars/Olympus"', "events.time_zone: invalid timezone"),
        ('[events]\ndomains = ["*"]', "events.domains.0"),
        ('[follow_ups]\nkinds = ["refund"]', "follow_ups.kinds.0"),
        ("[limits.per_day]\ncalendar = 0", "limits.per_day.calendar"),
        ("[approval]\nbelow_confidence = nan", "approval.below_confidence"),
        ('[approval]\npurposes = ["refunds"]', "approval.purposes.0"),
        ("[approval]\npeople = 0", "approval.people"),
        ("tickets = ", "is not valid TOML"),
    ],
)
def test_a_broken_file_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    """A file that breaks a bound is refused as a whole, naming the file, the line and what is wrong."""
    with pytest.raises(errors.InvalidSetting) as caught:
        policy(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'policy.toml'}: {told}")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """A file that cannot be read is a wrong setting, not an empty policy."""
    with pytest.raises(errors.InvalidSetting, match=r"nowhere\.toml: cannot be read: No such file"):
        Policy.load(tmp_path / "nowhere.toml")


def test_the_version_is_of_the_meaning(tmp_path: Path) -> None:
    """Two files that mean the same have the same version, and one that means something else has another."""
    first = policy(tmp_path, '[tickets]\ntargets = ["b", "a"]\n[events]\nlongest = "120 min"')
    same = policy(tmp_path, '[events]\nlongest = "2 h"  # as ever\n[tickets]\ntargets = ["a", "b", "b"]')
    other = policy(tmp_path, '[tickets]\ntargets = ["a", "b"]\n[events]\nlongest = "121 min"')
    assert first.version == same.version != other.version
    assert first.version.startswith("ours@") and len(first.version) == len("ours@") + 12


def test_the_version_is_the_same_in_every_process() -> None:
    """Another process, with other hash seeds, reads the same version."""
    told = subprocess.run([sys.executable, "-c", PRINT_VERSION], capture_output=True, text=True, check=True).stdout
    assert told.strip() == Policy.load().version


def test_a_rule_is_named_by_its_line(tmp_path: Path) -> None:
    """What decided is told as the line of the file, cut if it is long; what stands in no line is told as it is."""
    long = policy(tmp_path, f"[tickets]\ntargets = {[f'project-{number}' for number in range(100)]}")
    assert long.line("events.longest") == "events.longest = 2 h"
    assert long.line("events.domains") == "events.domains = []"
    assert long.line("limits.per_day") == "limits.per_day = {}"
    assert long.line("tickets.targets").startswith('tickets.targets = ["project-0", ')
    assert len(long.line("tickets.targets")) <= 160
    assert long.line("tickets: title") == "tickets: title"


@pytest.mark.parametrize(
    ("span", "told"),
    [
        (timedelta(hours=2), "2 h"),
        (timedelta(minutes=90), "90 min"),
        (timedelta(days=2), "2 d"),
        (timedelta(seconds=61), "61 s"),
        (timedelta(seconds=0.5), "0.5 s"),
    ],
)
def test_a_duration_in_words(span: timedelta, told: str) -> None:
    """A duration is told in the largest unit that needs no fraction."""
    assert units.words(span) == told
