"""A Prometheus and an Alertmanager of a test's own, fast enough to wait for; Debian's packages have both."""

import json
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.tools.servers import running

BINARIES = ("prometheus", "promtool", "prometheus-alertmanager", "amtool")
PROMETHEUS = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 500ms}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: triage
    static_configs: [{{targets: ["{target}"]}}]
alerting:
  alertmanagers: [{{static_configs: [{{targets: ["{host}:{port}"]}}]}}]
"""
ALERTMANAGER = """
route: {{receiver: us, group_by: [alertname], group_wait: 100ms, group_interval: 500ms, repeat_interval: 1h}}
receivers: [{{name: us, webhook_configs: [{{url: "{url}"}}]}}]
"""


def missing() -> str:
    """Why they are not here; empty if they are."""
    if not all(shutil.which(name) for name in BINARIES):
        return "Prometheus is not installed: as root on Debian, `python -m tests.tools.servers install prometheus`"
    return ""


@dataclass(frozen=True)
class Prometheus:
    """One that scrapes each second and judges twice in one; `url` is its API's."""

    url: str

    def up(self) -> bool:
        """Whether the last scrape succeeded."""
        found = self._ask("query?query=up")["result"]
        return [sample["value"][1] for sample in found] == ["1"]

    def alerts(self) -> dict[str, str]:
        """The state of each alert that is pending or firing."""
        return {one["labels"]["alertname"]: one["state"] for one in self._ask("alerts")["alerts"]}

    def _ask(self, what: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/api/v1/{what}", timeout=5) as answer:  # noqa: S310 - our own server
            return json.load(answer)["data"]


@contextmanager
def prometheus(target: str, rules: str, webhook: str) -> Iterator[Prometheus]:
    """Let them read `target` (a host and a port), judge by these rules, and tell a webhook what they find."""
    with running.folder("prometheus") as home, ExitStack() as servers:
        port, alert_port = running.free_port(), running.free_port()
        (home / "rules.yml").write_text(rules)
        (home / "prometheus.yml").write_text(PROMETHEUS.format(target=target, host=running.HOST, port=alert_port))
        (home / "alertmanager.yml").write_text(ALERTMANAGER.format(url=webhook))
        servers.enter_context(_server(home, "prometheus-alertmanager", _alertmanager(home, alert_port), alert_port))
        servers.enter_context(_server(home, "prometheus", _prometheus(home, port), port))
        yield Prometheus(f"http://{running.HOST}:{port}")


@contextmanager
def _server(home: Path, name: str, options: list[str], port: int) -> Iterator[None]:
    command = [str(shutil.which(name)), *options]
    with running.running(command, lambda: running.listens(port), home / f"{name}.log", cwd=home):
        yield


def _prometheus(home: Path, port: int) -> list[str]:
    where = [f"--config.file={home / 'prometheus.yml'}", f"--storage.tsdb.path={home / 'data'}"]
    return [*where, f"--web.listen-address={running.HOST}:{port}", "--rules.alert.resend-delay=1s"]


def _alertmanager(home: Path, port: int) -> list[str]:
    where = [f"--config.file={home / 'alertmanager.yml'}", f"--storage.path={home / 'alertmanager'}"]
    return [*where, f"--web.listen-address={running.HOST}:{port}", "--cluster.listen-address="]
