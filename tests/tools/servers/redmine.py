"""Redmine from Debian's packages, on a private copy of a seeded SQLite database."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.tools.servers import rest, running

SHARE = Path("/usr/share/redmine")
API_KEY = "0123456789abcdef" * 2 + "01234567"
FIELD_ID = 1
PROJECT = "triage"
UNMARKED = "unmarked"
"""A project in which the field `run_key` is not enabled: Redmine drops the value on create, without a word."""
PERSON = "pat"
"""The login of a user who is a member of both projects."""
UP = "../" * 8
"""Enough to be at the root of the file system, from wherever Redmine keeps its instances."""

SEED = f"""
load "{SHARE}/Rakefile"
task seed: ["db:migrate"] do
  ActiveRecord::Base.descendants.each(&:reset_column_information)
  Redmine::DefaultData::Loader.load("en")
  Setting.rest_api_enabled = Setting.login_required = "1"
  admin = User.find_by!(login: "admin")
  admin.update!(must_change_passwd: false)
  Token.create!(user: admin, action: "api").update_column(:value, "{API_KEY}")
  person = User.new(firstname: "Pat", lastname: "Tester", mail: "pat@triage.test", language: "en")
  person.login = "{PERSON}"
  person.password = person.password_confirmation = "opens-nothing"
  person.save!
  projects = %w[{PROJECT} {UNMARKED}].map do |name|
    project = Project.create!(name: name.capitalize, identifier: name, trackers: Tracker.all.to_a)
    Member.create!(project: project, principal: person, roles: [Role.givable.first!])
    project
  end
  IssueCustomField.create!(id: {FIELD_ID}, name: "run_key", field_format: "string", is_filter: true,
                           is_for_all: false, trackers: Tracker.all.to_a, projects: [projects.first])
end
"""
ENVIRONMENT = {"RAILS_ENV": "production", "REDMINE_LANG": "en", "SCHEMA": "/dev/null"}


@dataclass(frozen=True, slots=True)
class Redmine:
    """A running Redmine; the methods look and act as an administrator, past any proxy."""

    url: str
    pid: int
    api_key: str = API_KEY
    project: str = PROJECT
    unmarked: str = UNMARKED
    field_id: int = FIELD_ID
    person: str = PERSON
    home: Path = Path()
    """Its folder, with its database; may be read while it runs."""

    def issues_with(self, key: str, project: str = "") -> list[int]:
        """The ids of the issues whose field `run_key` is this, closed ones too."""
        narrow = f"&project_id={project}" if project else ""
        found = self.ask("GET", f"/issues.json?cf_{self.field_id}={key}&status_id=*&limit=100{narrow}")
        return sorted(issue["id"] for issue in found["issues"] if _key(issue, self.field_id) == key)

    def issues(self) -> list[dict[str, Any]]:
        """The first hundred issues as Redmine shows them, closed ones too."""
        return list(self.ask("GET", "/issues.json?status_id=*&limit=100&sort=id")["issues"])

    def issue(self, issue_id: int) -> dict[str, Any]:
        """One issue as Redmine shows it; `rest.CallError` if it is not there."""
        return dict(self.ask("GET", f"/issues/{issue_id}.json?include=journals")["issue"])

    def set_key(self, issue_id: int, key: str) -> None:
        """Change the marker, as a person could."""
        fields = [{"id": self.field_id, "value": key}]
        self.ask("PUT", f"/issues/{issue_id}.json", {"issue": {"custom_fields": fields}})

    def close(self, issue_id: int) -> None:
        """Close an issue."""
        self.ask("PUT", f"/issues/{issue_id}.json", {"issue": {"status_id": 5}})

    def delete(self, issue_id: int) -> None:
        """Delete an issue for good, as a person could."""
        self.ask("DELETE", f"/issues/{issue_id}.json")

    def ask(self, method: str, path: str, value: object = None) -> Any:
        """One call of the REST API; the parsed answer, or None if there is no body."""
        return rest.call_json(method, self.url + path, value, {"X-Redmine-API-Key": self.api_key})


def missing() -> str:
    """Why there is no Redmine here; empty if there is."""
    if not all(running.debian(package) for package in ("redmine", "redmine-sqlite", "ruby-webrick")):
        return "Redmine is not installed: as root on Debian, `python -m tests.tools.servers install redmine`"
    return ""


@contextmanager
def redmine() -> Iterator[Redmine]:
    """Run a Redmine of its own, empty but for what `SEED` makes."""
    seeded = running.kept("redmine", SEED + running.debian("redmine"), _seed)
    with running.folder("redmine") as home:
        shutil.copytree(seeded, home, dirs_exist_ok=True)
        _configure(home)
        port = running.free_port()
        command = ["rackup", "-E", "production", "-s", "webrick", "-o", running.HOST, "-p", str(port)]
        url = f"http://{running.HOST}:{port}"

        def ready() -> bool:
            return rest.answers(f"{url}/issues.json?limit=1", {"X-Redmine-API-Key": API_KEY})

        with running.running(command, ready, home / "server.log", cwd=SHARE, env=_environment(home)) as process:
            yield Redmine(url, process.pid, home=home)


def _seed(home: Path) -> None:
    _configure(home)
    recipe = home / "seed.rb"
    recipe.write_text(SEED)
    running.run(["bundle", "exec", "rake", "-q", "-f", str(recipe), "seed"], cwd=SHARE, env=_environment(home))


def _configure(home: Path) -> None:
    """Write an instance folder; Debian's Redmine finds one below `instances`, so it is named from there."""
    for name in ("config", "files", "log", "tmp"):
        (home / name).mkdir(exist_ok=True)
    database = f"production:\n  adapter: sqlite3\n  database: {home}/redmine.db\n  timeout: 10000\n"
    (home / "config" / "database.yml").write_text(database)
    (home / "config" / "secret_key.txt").write_text("0123456789abcdef" * 4)


def _environment(home: Path) -> dict[str, str]:
    """Ruby brings a Bundler that does not find Debian's gems, and WEBrick is not in the packaged Gemfile."""
    webrick = next(line for line in running.run(["dpkg", "-L", "ruby-webrick"]).split() if line.endswith("/webrick.rb"))
    bundler = running.debian("ruby-bundler").partition("-")[0]
    instance = UP + str(home.relative_to("/"))
    own = {"BUNDLER_VERSION": bundler, "RUBYLIB": str(Path(webrick).parent), "X_DEBIAN_SITEID": instance}
    return {**ENVIRONMENT, **own}


def _key(issue: dict[str, Any], field_id: int) -> str:
    return next((field["value"] for field in issue.get("custom_fields", []) if field["id"] == field_id), "")
