"""Names for what a process does to the outside world, without anything that differs from one run to the next."""

import re
from functools import cache
from importlib import resources

import hiredis

from triage.store.database import statement

SILENT = {b"HELLO", b"AUTH", b"SELECT", b"CLIENT", b"PING", b"PUBLISH"}
SILENT |= {b"SUBSCRIBE", b"PSUBSCRIBE", b"UNSUBSCRIBE", b"PUNSUBSCRIBE"}
SILENT |= {b"MULTI", b"EXEC", b"LLEN", b"INFO", b"HGET", b"ZRANGE", b"ZRANGEBYSCORE", b"ZREVRANGEBYSCORE", b"SMEMBERS"}
"""Commands that change nothing that lasts: opening a connection, health checks, look-ups, and events that whoever
listens may miss. All others are boundaries."""
MANY_KEYS = {b"BRPOP"}
"""The order of their keys differs from one time to the next."""
SCRIPTS = {b"EVALSHA", b"EVAL"}
KEY_OF_SCRIPT = 3
PREFIX = "triage:"
OBJECT = re.compile(r"/(?:\d+|[0-9a-f]{32})(?=\.|$)")
MAIL_COMMANDS = {b"EHLO", b"STARTTLS", b"MAIL", b"RCPT", b"DATA"}
MAIL_WORD = 16
MAIL_ENDS = {b".\r\n", b"\r\n.\r\n"}
LOOSE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22,}|\d+")
TABLE = re.compile(r"\b(insert into|update|delete from|from)\s+(\w+)", re.IGNORECASE)


def of_sql(text: str) -> str:
    """The statement's file name; for any other SQL what it does to which table."""
    named = statements().get(text)
    if named is not None:
        return f"sql.{named}"
    found = TABLE.search(text)
    return "sql." + ("_".join(found.group().lower().split()) if found else text.split(maxsplit=1)[0].lower())


def of_redis(packed: object) -> tuple[str | None, int]:
    """Commands with their keys, and how many they are; None instead of a name if they keep nothing."""
    commands = _unpacked(packed)
    spoken = [_command(words) for words in commands if words[0].upper() not in SILENT]
    return (f"redis.{'+'.join(spoken)}" if spoken else None), len(commands)


def of_request(start: bytes) -> str:
    """An HTTP request by method and path, from its first line: `http.POST(keyed/tickets)`."""
    method, target, _ = start.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    return f"http.{method}({path(target)})"


def path(target: str) -> str:
    """A request's target without the query, the trial's number and the ids of objects."""
    plain = re.sub(r"-\d+$", "", target.partition("?")[0].strip("/"))
    return OBJECT.sub("/*", plain)


def of_mail(data: bytes) -> str:
    """What is written to a mail server: by its command, or as the text of the mail, or as the dot that ends it."""
    if data in MAIL_ENDS:
        return "smtp.dot"
    word = data[:MAIL_WORD].partition(b"\r\n")[0].split(b" ")[0].split(b":")[0]
    return f"smtp.{word.decode()}" if word in MAIL_COMMANDS else "smtp.text"


@cache
def statements() -> dict[str, str]:
    """Names of the store's statements by their text."""
    folder = resources.files("triage.store").joinpath("statements")
    names = [file.name.removesuffix(".sql") for file in folder.iterdir() if file.name.endswith(".sql")]
    return {statement(name): name for name in names}


def _unpacked(packed: object) -> list[list[bytes]]:
    reader = hiredis.Reader()
    for part in packed if isinstance(packed, list | tuple) else [packed]:
        reader.feed(part)
    found = []
    while (words := reader.gets()) is not False:
        found.append(words)
    return found


def _command(words: list[bytes]) -> str:
    name = words[0].upper()
    if name in MANY_KEYS:
        return name.decode()
    place = KEY_OF_SCRIPT if name in SCRIPTS else 1
    key = words[place].decode(errors="replace").removeprefix(PREFIX) if len(words) > place else ""
    return f"{name.decode()}({LOOSE.sub('*', key)})" if key else name.decode()
