"""What `doctor` checks. A check never raises: what is wrong is its finding."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from urllib.parse import urlsplit

import redis
import sqlalchemy
from redis import exceptions as redis_errors
from sqlalchemy import exc

from triage import clock, config, errors, local
from triage.bootstrap import Services
from triage.decide.rules import Rules
from triage.model import ToolClass
from triage.ports import Tool
from triage.store import migrate
from triage.store.database import Database
from triage.store.tool_box import ALL

OLDEST_POSTGRES = 15
PATIENCE_S = 5.0
PREFLIGHT = timedelta(seconds=30)
_REDIS_PORT, _AMQP_PORT = 6379, 5672


@dataclass(frozen=True)
class Check:
    """What was found of one part, and how to mend it if it is not well."""

    part: str
    state: Literal["ok", "warn", "fail"]
    found: str
    mend: str = ""


def run(*, ask_tools: bool = False) -> list[Check]:
    """Check everything, with `ask_tools` also the other systems; what hangs on a part that fails is left out."""
    try:
        services = Services(config.load())
    except errors.InvalidSetting as error:
        return [Check("settings", "fail", str(error), f"correct it in {config.FILE} or in the environment")]
    try:
        return [Check("settings", "ok", _settings(services.settings)), *_parts(services, ask_tools=ask_tools)]
    finally:
        services.close()


def _parts(services: Services, *, ask_tools: bool) -> Iterator[Check]:
    database = list(_database(services))
    yield from database
    yield from _broker(services)
    if all(check.state != "fail" for check in database):
        yield _workers(services)
        yield from _tools(services, ask=ask_tools)
        yield from _door(services)
        yield from _stored_model(services)
    yield _rules(services.settings)
    yield from _deciders(services)


def _settings(settings: config.Settings) -> str:
    database = "the set Postgres" if settings.database_url else "the embedded Postgres"
    broker = "the set broker" if settings.broker_url else "the embedded Redis"
    return f"{database}, {broker}; home {settings.home}"


def _database(services: Services) -> Iterator[Check]:
    try:
        url = _database_url(services)
        number = _server_version(url)
        there, needed = migrate.version(url), migrate.expected_version()
    except (local.LocalError, errors.StoreUnavailable, exc.SQLAlchemyError) as error:
        yield Check("postgres", "fail", str(error), _mend_database(services.settings))
        return
    old = number < OLDEST_POSTGRES
    mend = f"use PostgreSQL {OLDEST_POSTGRES} or newer" if old else ""
    yield Check("postgres", "fail" if old else "ok", f"version {number}", mend)
    yield _schema(there, needed)


def _schema(there: str | None, needed: str) -> Check:
    if there == needed:
        return Check("schema", "ok", f"version {there}")
    found = f"version {there}, this program needs {needed}" if there else "there are no tables yet"
    newer = there is not None and there > needed
    mend = "the database is newer than this program: install its version" if newer else "run `triage migrate`"
    return Check("schema", "fail", found, mend)


def _database_url(services: Services) -> str:
    """Without bringing the schema of the embedded server up to date, if one is set."""
    set_url = services.settings.database_url
    return set_url.get_secret_value() if set_url else services.database_url


def _server_version(url: str) -> int:
    database = Database(url, pool_size=1)
    try:
        return int(database.read(sqlalchemy.text("select current_setting('server_version_num')::int / 10000"))[0][0])
    finally:
        database.close()


def _mend_database(settings: config.Settings) -> str:
    if settings.database_url is None:
        return "see `triage local status`, and the log that is named"
    return "start the server, or correct the setting database_url (TRIAGE_DATABASE_URL)"


def _broker(services: Services) -> Iterator[Check]:
    try:
        url = services.broker_url
    except local.LocalError as error:
        yield Check("broker", "fail", str(error), "see `triage local status`, and the log that is named")
        return
    if url.startswith(("redis://", "rediss://")):
        yield from _redis(url)
    else:
        yield _port(url)


def _redis(url: str) -> Iterator[Check]:
    mend = "start it, or correct the setting broker_url (TRIAGE_BROKER_URL); reports are accepted meanwhile"
    try:
        with redis.Redis.from_url(url, socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S) as client:
            version = client.info("server")["redis_version"]
            yield Check("broker", "ok", f"Redis {version}")
            yield _redis_setting(
                client, "appendonly", "yes", "messages are lost when it restarts; the relay rings again"
            )
            yield _redis_setting(
                client, "maxmemory-policy", "noeviction", "it may drop messages when its memory is full"
            )
    except (redis_errors.RedisError, OSError) as error:
        yield Check("broker", "fail", f"Redis does not answer: {error}", mend)


def _redis_setting(client: "redis.Redis", name: str, wanted: str, danger: str) -> Check:
    try:
        found = dict(client.config_get(name)).get(name)
    except redis_errors.ResponseError:
        return Check(f"broker {name}", "warn", "may not be asked here", f"make sure that it is {wanted}")
    if found == wanted:
        return Check(f"broker {name}", "ok", str(found))
    return Check(f"broker {name}", "warn", f"{found}: {danger}", f"set it to {wanted}")


def _port(url: str) -> Check:
    address = urlsplit(url)
    host, port = address.hostname or "localhost", address.port or _AMQP_PORT
    try:
        socket.create_connection((host, port), timeout=PATIENCE_S).close()
    except OSError as error:
        mend = "start it, or correct the setting broker_url (TRIAGE_BROKER_URL)"
        return Check("broker", "fail", f"{host}:{port} does not answer: {error}", mend)
    return Check("broker", "ok", f"{host}:{port} answers")


def _workers(services: Services) -> Check:
    try:
        alive = services.runs.workers()
    except (errors.StoreUnavailable, exc.SQLAlchemyError) as error:
        return Check("workers", "fail", str(error), "see postgres and schema")
    if not alive:
        return Check("workers", "warn", "none is running: reports are accepted and wait", "start one: `make worker`")
    return Check("workers", "ok", f"{len(alive)} alive: {', '.join(sorted(alive))}")


def _rules(settings: config.Settings) -> Check:
    try:
        Rules.load(settings.rules)
    except errors.InvalidSetting as error:
        return Check(
            "rules", "fail", str(error), "correct the file, or unset rules (TRIAGE_RULES) to use the shipped ones"
        )
    return Check("rules", "ok", str(settings.rules or "the shipped ones"))


def _deciders(services: Services) -> Iterator[Check]:
    """Those beside the rules, if any are set: also whether the model's price is known."""
    settings = services.settings
    parts = {"learned": settings.learned, "llm": settings.llm, "candidate": settings.candidate}
    for part in (name for name, its in parts.items() if its is not None):
        try:
            yield Check(part, "ok", services.check_decider(part))
        except (errors.TriageError, ImportError) as error:
            extra = "learned,llm" if part == "candidate" else part
            yield Check(part, "fail", str(error), f"correct the setting {part}, or install triage[{extra}]")


def _stored_model(services: Services) -> Iterator[Check]:
    """The learned model in the database, if one is in use: whether workers set up like this can decide with it."""
    try:
        version = services.models.in_use()
        if version and services.settings.learned:
            found = f"{version} is stored and in use, but the setting learned names a file, which decides instead"
            yield Check("stored model", "warn", found, "unset learned (TRIAGE_LEARNED), or `triage models rollback`")
        elif version:
            yield Check("stored model", "ok", services.check_decider("learned"))
    except (errors.StoreUnavailable, exc.SQLAlchemyError) as error:
        yield Check("stored model", "fail", str(error), "see postgres and schema")
    except errors.TriageError as error:
        mend = "install triage[learned] for every worker, or `triage models rollback`"
        yield Check("stored model", "fail", f"nothing that was learned decides: {error}", mend)


def _tools(services: Services, *, ask: bool) -> Iterator[Check]:
    try:
        for role, tool in services.toolset.bare.items():
            yield _tool(role, tool)
            if ask:
                yield from _preflight(role, tool)
    except errors.InvalidSetting as error:
        yield Check("tools", "fail", str(error), f"correct it in {config.FILE} or in the environment")


def _door(services: Services) -> Iterator[Check]:
    """What keeps calls back, and promises that were broken."""
    box = services.tool_box("doctor")
    try:
        views, duplicates = box.views(()), box.duplicates()
    except (errors.StoreUnavailable, exc.SQLAlchemyError) as error:
        yield Check("door", "fail", str(error), "see postgres and schema")
        return
    for view in views:
        if view.switched_off:
            which = "--all" if view.tool == ALL else view.tool
            yield Check(
                f"tool {view.tool}", "warn", f"switched off {view.switched_off}", f"`triage tools enable {which}`"
            )
        elif view.tripped:
            yield Check(
                view.tool, "warn", f"failed {view.failures} times in a row: {view.last_error}", "see its system"
            )
    for one in duplicates:
        mend = "close one of them there, and say how it came about"
        yield Check(one.tool, "fail", f"two objects with one key: {', '.join(one.remote_ids)}", mend)


def _preflight(role: str, tool: Tool) -> Iterator[Check]:
    """What the tool finds when it asks its system; what stops it is a finding too."""
    try:
        for finding in tool.preflight(clock.now() + PREFLIGHT.total_seconds()):
            yield Check(f"{role}: {finding.part}", "ok" if finding.good else "fail", finding.found, finding.mend)
    except errors.ToolError as error:
        yield Check(f"{role}: preflight", "fail", str(error), f"correct {role} in {config.FILE}, or try again later")


def _tool(role: str, tool: Tool) -> Check:
    """What is promised of a tool, by its class."""
    spec = tool.spec
    found = f"{spec.name}, {spec.tool_class}"
    if spec.tool_class is ToolClass.BLIND:
        mend = f"if the system has a key or can be searched, say so in {role}"
        return Check(role, "warn", f"{found}: after a broken call a person must look", mend)
    return Check(role, "ok", found)
