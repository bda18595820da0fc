"""Published types as schemas: Discord's, as Zod runs them in Node, and Microsoft Graph's, from its declarations."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.tools.schemas import Unobtainable, installed, package, pattern
from triage.testing.proxy import Exchange

NODE = """
import * as z from "zod/mini";
import * as spec from "discord-api-spec/zod";
const schema = z.strictObject(spec[process.argv[1]]._zod.def.shape);
let text = "";
for await (const piece of process.stdin) text += piece;
const found = schema.safeParse(JSON.parse(text));
console.log(JSON.stringify(found.success ? [] : found.error.issues.map((issue) => JSON.stringify(issue))));
"""
PATIENCE = 30.0
"""Seconds that Node may take."""
PLACE = re.compile(r'^  "(/[^"]+)": \{\n(.*?)^  \};', re.MULTILINE | re.DOTALL)
METHOD = re.compile(r"^    (get|put|post|patch|delete): \{\n(.*?)^    \};", re.MULTILINE | re.DOTALL)
QUERY = re.compile(r"^        query\??: \{\n(.*?)^        \};", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"^ +(\w+)\??:", re.MULTILINE)
BODY = re.compile(r"requestBody\??: (\w+);")
INTERFACE = re.compile(r"^export interface (\w+)(?: extends (\w+))? \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
ENUM = re.compile(r'^export type (\w+) =\s+((?:\|?\s*"\w+"\s*)+);', re.MULTILINE)
FIELD = re.compile(r"^    (\w+)\??: (.+);$", re.MULTILINE)
NULLABLE = re.compile(r"^NullableOption<(.+)>$")
PLAIN: Mapping[str, type | tuple[type, ...]] = {"string": str, "boolean": bool, "number": (int, float)}


@dataclass(frozen=True)
class Zod:
    """Discord's interface: paths and parameters from its declarations, bodies by its Zod schemas."""

    folder: Path
    places: Mapping[tuple[str, str], str]
    home: str = ""

    def wrong(self, exchange: Exchange) -> list[str]:
        """By both; fields that are not known are wrong, too."""
        path = urlsplit(exchange.path).path
        fitting = [each for each in self.places if each[0] == exchange.method and re.fullmatch(pattern(each[1]), path)]
        if not fitting:
            return [f"there is no {exchange.method} {exchange.path}"]
        told = self.places[min(fitting, key=lambda each: each[1].count("{"))]
        known = {name for found in QUERY.findall(told) for name in NAME.findall(found)}
        given = parse_qs(urlsplit(exchange.path).query, keep_blank_values=True)
        wrong = [f"query parameter {name!r} is not known" for name in given if name not in known]
        return wrong + (self._body(told, exchange.body) if exchange.body else [])

    def _body(self, told: str, body: bytes) -> list[str]:
        (name,) = BODY.findall(told)
        command = ["node", "--input-type=module", "--eval", NODE, f"{name}Schema"]
        done = subprocess.run(command, cwd=self.folder, input=body, capture_output=True, timeout=PATIENCE, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.decode(errors="replace"))
        return [str(issue) for issue in json.loads(done.stdout)]


@dataclass(frozen=True)
class Typings:
    """Types of objects, as TypeScript declares them; `root` is what a body is. They know nothing of paths."""

    types: Mapping[str, Mapping[str, str]]
    enums: Mapping[str, frozenset[str]]
    root: str
    home: str = ""

    def wrong(self, exchange: Exchange) -> list[str]:
        """What of the body does not fit; fields that are not known are wrong, too."""
        return list(self._object(self.root, json.loads(exchange.body), "body")) if exchange.body else []

    def _object(self, name: str, value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{place} is no {name}"
            return
        for key, inner in value.items():
            known = self.types[name].get(key)
            yield from [f"{place}.{key} is not known"] if known is None else self._value(known, inner, f"{place}.{key}")

    def _value(self, kind: str, value: Any, place: str) -> Iterator[str]:
        if wrapped := NULLABLE.match(kind):
            yield from [] if value is None else self._value(wrapped[1], value, place)
        elif kind.endswith("[]"):
            yield from self._list(kind[:-2], value, place)
        elif kind in self.types:
            yield from self._object(kind, value, place)
        elif kind in self.enums:
            yield from [] if value in self.enums[kind] else [f"{place} is none of {sorted(self.enums[kind])}"]
        elif not isinstance(value, PLAIN[kind]):
            yield f"{place} is no {kind}"

    def _list(self, kind: str, value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{place} is no list"
            return
        for number, item in enumerate(value):
            yield from self._value(kind, item, f"{place}[{number}]")


@cache
def discord() -> Zod:
    """Discord's description, as `discord-api-spec` (MIT, unofficial) turns it into declarations and Zod schemas."""
    if shutil.which("node") is None:
        raise Unobtainable("Discord's schemas need node, which is not installed")
    folder = installed("discord-api-spec@10.0.266135", "zod@4.6.7")
    text = (folder / "node_modules" / "discord-api-spec" / "build" / "discord-api-spec.ts").read_text()
    found = {(name.upper(), path): told for path, body in PLACE.findall(text) for name, told in METHOD.findall(body)}
    return Zod(folder, found)


@cache
def microsoft_graph() -> Typings:
    """Microsoft Graph's types, of `@microsoft/microsoft-graph-types` (MIT)."""
    folder = package("@microsoft/microsoft-graph-types", "2.43.1", r"microsoft-graph\.d\.ts")
    text = (folder / "microsoft-graph.d.ts").read_text()
    declared = {name: (base, dict(FIELD.findall(body))) for name, base, body in INTERFACE.findall(text)}
    enums = {name: frozenset(re.findall(r'"(\w+)"', values)) for name, values in ENUM.findall(text)}
    return Typings({name: _inherited(name, declared) for name in declared}, enums, "Event")


def _inherited(name: str, declared: Mapping[str, tuple[str, dict[str, str]]]) -> dict[str, str]:
    base, fields = declared.get(name, ("", {}))
    return {**(_inherited(base, declared) if base else {}), **fields}
