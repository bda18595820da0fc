"""Every kind of tool that can be set. A tracker or notifier that is not named is the local one."""

from typing import Annotated, TypeAlias

from pydantic import Discriminator, Field, Tag

from triage.tools import local, webhook
from triage.tools.calendars import caldav, google, graph
from triage.tools.notifiers import apprise, discord, email, matrix, pagerduty, slack, standard_webhook, teams
from triage.tools.trackers import (
    azure_devops,
    github,
    gitlab,
    jira_cloud,
    jira_dc,
    linear,
    redmine,
    request_tracker,
)


def _kind(given: object) -> str:
    return str(given.get("kind", "local") if isinstance(given, dict) else getattr(given, "kind", "local"))


TrackerSettings: TypeAlias = Annotated[
    Annotated[local.Settings, Tag("local")]
    | Annotated[webhook.Settings, Tag("webhook")]
    | Annotated[azure_devops.Settings, Tag("azure-devops")]
    | Annotated[github.Settings, Tag("github")]
    | Annotated[gitlab.Settings, Tag("gitlab")]
    | Annotated[jira_cloud.Settings, Tag("jira-cloud")]
    | Annotated[jira_dc.Settings, Tag("jira-dc")]
    | Annotated[linear.Settings, Tag("linear")]
    | Annotated[redmine.Settings, Tag("redmine")]
    | Annotated[request_tracker.Settings, Tag("request-tracker")],
    Discriminator(_kind),
]
NotifierSettings: TypeAlias = Annotated[
    Annotated[local.Settings, Tag("local")]
    | Annotated[webhook.Settings, Tag("webhook")]
    | Annotated[apprise.Settings, Tag("apprise")]
    | Annotated[discord.Settings, Tag("discord")]
    | Annotated[email.Settings, Tag("email")]
    | Annotated[matrix.Settings, Tag("matrix")]
    | Annotated[pagerduty.Settings, Tag("pagerduty")]
    | Annotated[slack.Settings, Tag("slack")]
    | Annotated[standard_webhook.Settings, Tag("standard-webhook")]
    | Annotated[teams.Settings, Tag("teams")],
    Discriminator(_kind),
]
CalendarSettings: TypeAlias = Annotated[
    webhook.Settings | caldav.Settings | google.Settings | graph.Settings, Field(discriminator="kind")
]
