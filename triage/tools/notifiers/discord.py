"""Discord as a bot: a nonce that Discord enforces for some minutes, and the key in an embed's footer for later.

Within those minutes a repeat returns the first message. After that the footer is looked for among the channel's
messages. The bot needs View Channel, Send Messages, Embed Links and Read Message History; without the last one Discord
shows an *empty* history, which is not taken for "absent". Facts: discord-api-docs, resources/message.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from triage.errors import NotSent, OutcomeUnknown, Refused
from triage.model import Finding, Json, LiveValues, Marked, Rate, Request, Sent, ToolClass, ToolSpec
from triage.text.body import notice_text
from triage.text.flavours import DISCORD
from triage.tools import marker
from triage.tools.adapter import CLOCKS, HttpAdapter, compact, text_of, usable_id
from triage.tools.connection import Headers
from triage.tools.notifiers.notice import absent, checked, looked, naming, quoted, seconds_in
from triage.tools.settings import FindableSettings, TokenSettings, Url
from triage.tools.transport import Answer, Transport, retry_after

API = "https://discord.com/api/v10"
LONGEST_TEXT = 2_000
RATE = Rate(50, timedelta(seconds=1))
"""For a bot in all; the limits of a channel are only told in its answers."""
NONCE_WINDOW = timedelta(minutes=2)
"""Discord says "the past few minutes"."""
PAGE = 50
PAGES = 50
GUILDS = 20
AGENT = "DiscordBot (triage, 1)"
"""Discord may block what calls itself otherwise: its reference, "User Agent"."""
EPOCH = datetime(2015, 1, 1, tzinfo=UTC)
SNOWFLAKE = re.compile(r"[0-9]{1,20}")
TEXT_CHANNELS = {0, 5}


class Settings(TokenSettings, FindableSettings):
    """A Discord bot: `token` is the bot's; targets are the ids of channels."""

    kind: Literal["discord"] = "discord"
    url: Url = API
    server: Annotated[str, Field(pattern=r"^[0-9]*$", description="the server's id, for links; none: no links")] = ""
    findable: Annotated[
        bool, Field(description="false: the bot cannot read the history; after two minutes a lost answer waits")
    ] = True
    quarantine: timedelta = Field(default=timedelta(minutes=1), gt=timedelta(), le=timedelta(hours=1))

    @model_validator(mode="after")
    def _usable(self) -> Self:
        wrong = [target for target in self.targets if not SNOWFLAKE.fullmatch(target)]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is no channel's id: Discord's developer mode can copy it")
        if not self.findable and self.timeout >= NONCE_WINDOW:
            raise ValueError("`timeout` must be below two minutes, for so long Discord keeps a nonce")
        return self

    @property
    def targets(self) -> tuple[str, ...]:
        """The channels that are set."""
        return tuple(dict.fromkeys(target for target in (self.target, *self.routes.values()) if target))

    def open(self, name: str, transport: Transport) -> "Discord":
        """The tool that is set so."""
        if self.findable:
            spec = ToolSpec(name, ToolClass.FINDABLE, self.timeout, self.quarantine, rate=RATE)
        else:
            spec = ToolSpec(name, ToolClass.WINDOWED, self.timeout, key_window=NONCE_WINDOW, rate=RATE)
        return Discord(spec, transport, self)


class Discord(HttpAdapter):
    """A `Tool` that posts to channels; the object's id is the message's."""

    def __init__(self, spec: ToolSpec, transport: Transport, settings: Settings) -> None:
        """Touches no network."""
        super().__init__(spec, transport)
        self._settings = settings

    def credentials(self, deadline: float) -> Headers:  # noqa: ARG002 - a fixed token
        """The bot's token, and the name by which Discord wants to know bots."""
        return [("Authorization", f"Bot {self._settings.token.get_secret_value()}"), ("User-Agent", AGENT)]

    def wait(self, answer: Answer) -> timedelta | None:
        """In JSON with fractions, in the header in whole seconds."""
        return seconds_in(answer, "retry_after", timedelta(seconds=1)) or retry_after(answer.headers)

    def render(self, request: Request) -> bytes:
        """A message that calls nobody, answering the run's first one."""
        thread = text_of(request.content, "thread")
        answered = {"message_reference": {"message_id": thread, "fail_if_not_exists": False}}
        return compact(
            {
                "content": notice_text(request.content, DISCORD, LONGEST_TEXT),
                "embeds": [{"footer": {"text": marker.line(request.key)}}],
                "nonce": marker.nonce(request.key),
                "enforce_nonce": True,
                "allowed_mentions": {"parse": [], "replied_user": False},
                **(answered if SNOWFLAKE.fullmatch(thread) else {}),
            }
        )

    def send(self, request: Request) -> Sent:
        """Post once; see `ports.Tool`."""
        if not SNOWFLAKE.fullmatch(request.target):
            raise Refused(f"{quoted(request.target)} is no channel's id")
        url = f"{self._channel(request.target)}/messages"
        with naming(request.target):
            answer = self.write("POST", url, self.render(request), request.deadline)
        return self._sent(request.target, answer.fields())

    def find(self, request: Request) -> Sent | None:
        """Look through the channel's messages; see `ports.Tool`."""
        since = datetime.now(UTC) - request.age - CLOCKS
        for message in self._messages(request.target, since, request.deadline):
            if _key(message) == request.key:
                return self._sent(request.target, message)
        return None

    def dropped(self, request: Request, sent: Sent) -> tuple[str, ...]:
        """Whether the message is there, and with its marker; asked only where the history can be read."""
        if self.spec.tool_class is not ToolClass.FINDABLE:
            return ()
        url = f"{self._channel(request.target)}/messages/{sent.remote_id}"
        answer = self.ask(url, request.deadline, also=[HTTPStatus.NOT_FOUND])
        if answer.status == HTTPStatus.NOT_FOUND:
            return ("the message was deleted there",)
        found = looked(answer)
        return () if _key(found) == request.key else ("the marker is missing: it cannot be found again",)

    def values(self, deadline: float) -> LiveValues:
        """The ids of the text channels of the bot's servers; of more than 20 servers nothing is said."""
        guilds = _objects(self.ask(f"{self._settings.url}/users/@me/guilds", deadline))
        if len(guilds) > GUILDS:
            return LiveValues()
        urls = [f"{self._settings.url}/guilds/{usable_id(guild.get('id'))}/channels" for guild in guilds]
        channels = [channel for url in urls for channel in _objects(self.ask(url, deadline))]
        ids = (usable_id(channel.get("id")) for channel in channels if channel.get("type") in TEXT_CHANNELS)
        return LiveValues(targets=frozenset(ids))

    def marked(self, since: datetime, deadline: float) -> Iterator[Marked]:
        """The marked messages of the set channels, else of all text channels."""
        if self.spec.tool_class is not ToolClass.FINDABLE:
            return
        for channel in self._settings.targets or sorted(self.values(deadline).targets or ()):
            for message in self._messages(channel, since, deadline):
                if key := _key(message):
                    sent = self._sent(channel, message)
                    yield Marked(key, sent.remote_id, sent.remote_url)

    def preflight(self, deadline: float) -> Iterable[Finding]:
        """The token, and whether each set channel can be read."""
        yield checked("credentials", partial(self._identity, deadline), "set the bot's token")
        if self.spec.tool_class is not ToolClass.FINDABLE:
            found = "`findable` is false: a run whose answer was lost for two minutes waits for a person"
            yield Finding("marker", True, found)
            return
        for channel in self._settings.targets:
            check = partial(absent, self.find, channel, deadline)
            mend = "give the bot View Channel and Read Message History there; or set findable = false"
            yield checked(f"channel {channel}", check, mend)

    def _identity(self, deadline: float) -> str:
        found = looked(self.ask(f"{self._settings.url}/users/@me", deadline))
        return quoted(found.get("username"))

    def _messages(self, channel: str, since: datetime, deadline: float) -> Iterator[Json]:
        """A channel's messages since then, newest first; raises `NotSent` rather than leave one out."""
        oldest, before = _snowflake(since), ""
        for _ in range(PAGES):
            url = f"{self._channel(channel)}/messages?limit={PAGE}{before}"
            page = _objects(self.ask(url, deadline))
            ids = [_number(message) for message in page]
            if not page and not before:
                self._really_empty(channel, deadline)
            yield from (message for message, number in zip(page, ids, strict=True) if number >= oldest)
            if len(page) < PAGE or min(ids) < oldest:
                return
            before = f"&before={min(ids)}"
        raise NotSent(f"{self.spec.name}: channel {channel} has more than {PAGE * PAGES} messages since then")

    def _really_empty(self, channel: str, deadline: float) -> None:
        """Raise `NotSent` if a channel that looks empty has had messages: the bot cannot read them."""
        if looked(self.ask(self._channel(channel), deadline)).get("last_message_id") is not None:
            raise NotSent(
                f"{self.spec.name}: channel {channel} is shown empty, but is not: Read Message History is missing"
            )

    def _channel(self, channel: str) -> str:
        if not SNOWFLAKE.fullmatch(channel):
            raise NotSent(f"{self.spec.name}: the target is no channel's id")
        return f"{self._settings.url}/channels/{channel}"

    def _sent(self, channel: str, message: Json) -> Sent:
        """Read a message; raises `OutcomeUnknown` if it has no id."""
        remote_id = usable_id(message.get("id"))
        if not SNOWFLAKE.fullmatch(remote_id):
            raise OutcomeUnknown("the answer has no message's id")
        url = f"https://discord.com/channels/{self._settings.server}/{channel}/{remote_id}"
        return Sent(remote_id, url if self._settings.server else "")


def _snowflake(moment: datetime) -> int:
    """The smallest id that a message of that moment may have."""
    return max(0, (moment - EPOCH) // timedelta(milliseconds=1)) << 22


def _number(message: Json) -> int:
    remote_id = usable_id(message.get("id"))
    if not SNOWFLAKE.fullmatch(remote_id):
        raise NotSent("the look-up failed: a message has no id")
    return int(remote_id)


def _objects(answer: Answer) -> list[Json]:
    """A look-up's list of objects; raises `NotSent` if it is none."""
    try:
        value: Any = answer.value()
    except OutcomeUnknown as error:
        raise NotSent(f"the look-up failed: {error}") from error
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise NotSent("the look-up failed: the answer is no list of objects")
    return value


def _key(message: Json) -> str:
    """The key in the footer of a message's embed; empty if it has none of ours."""
    embeds: Any = message.get("embeds")
    for embed in embeds if isinstance(embeds, list) else []:
        footer = embed.get("footer") if isinstance(embed, dict) else None
        if isinstance(footer, dict) and (key := marker.in_lines(text_of(footer, "text"))):
            return key
    return ""
