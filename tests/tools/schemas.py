"""What vendors publish of their interfaces, fetched when a test needs it, and checks of real requests against it.

Nothing of it is committed. It is kept in the tests' cache, and every version is fixed here. A check returns what is
wrong in words; no words, no fault.
"""

import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import graphql
from graphql.execution.values import get_variable_values
from jsonschema import Draft202012Validator
from openapi_core import Config, OpenAPI
from openapi_core.contrib.werkzeug import WerkzeugOpenAPIRequest
from openapi_core.exceptions import OpenAPIError
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request as WebRequest

from tests.tools import declarations
from tests.tools.servers import required, running
from triage.testing.proxy import Exchange

PATIENCE = 300.0
"""Seconds that a download may take."""
NPM = ("npm", "pack", "--silent")
INSTALL = ("npm", "install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", ".")
PIP = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", ".")


class Unobtainable(Exception):
    """A published schema cannot be had here; the message says why."""


class Schema(Protocol):
    """What one vendor publishes."""

    @property
    def home(self) -> str:
        """Where it says that the interface is; empty if it does not."""

    def wrong(self, exchange: Exchange) -> list[str]:
        """What of a request breaks it."""


def package(name: str, version: str, *members: str) -> Path:
    """A folder with these files of an npm package; raises `Unobtainable`."""
    return _kept(f"{name}@{version}", [*NPM, f"{name}@{version}"], partial(_untar, members=members))


def wheel(name: str, version: str, *members: str) -> Path:
    """A folder with these files of a Python package; raises `Unobtainable`."""
    return _kept(f"{name}=={version}", [*PIP, f"{name}=={version}"], partial(_unzip, members=members))


def installed(*what: str) -> Path:
    """A folder in which Node finds these npm packages; raises `Unobtainable`."""
    return _kept(" ".join(what), [*INSTALL, *what], lambda _: None)


def _kept(what: str, command: list[str], unpack: Callable[[Path], None]) -> Path:
    def make(folder: Path) -> None:
        if "schemas" not in required():  # hundreds of megabytes, and nobody's tests should wait for them unasked
            raise Unobtainable(f"{what} was not fetched yet; TESTS_REQUIRE=schemas fetches it")
        try:
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=PATIENCE)
        except FileNotFoundError:
            raise Unobtainable(f"{what}: {command[0]} is not installed") from None
        except subprocess.TimeoutExpired:
            raise Unobtainable(f"{what}: {command[0]} did not end within {PATIENCE:g} s") from None
        except subprocess.CalledProcessError as error:
            raise Unobtainable(f"{what}: {error.stderr.decode(errors='replace')[-300:]}") from None
        unpack(folder)

    name = re.sub(r"[^a-z]+", "-", re.split(r"(?<=\w)[@=]", what)[0]).strip("-")
    return running.kept(f"schema-{name}", what, make)


def _untar(folder: Path, members: tuple[str, ...]) -> None:
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as tar:
        for member in tar:
            if any(re.fullmatch(wanted, member.name.removeprefix("package/")) for wanted in members):
                with (folder / Path(member.name).name).open("wb") as target:
                    shutil.copyfileobj(_present(tar.extractfile(member)), target)
    archive.unlink()


def _unzip(folder: Path, members: tuple[str, ...]) -> None:
    (archive,) = folder.glob("*.whl")
    with zipfile.ZipFile(archive) as files:
        for member in members:
            (folder / Path(member).name).write_bytes(files.read(member))
    archive.unlink()


def _present(value: Any) -> Any:
    if value is None:
        raise Unobtainable("the package holds a folder where a file was expected")
    return value


@dataclass(frozen=True)
class OpenApi:
    """A description in OpenAPI 3."""

    description: Mapping[str, Any]
    interface: OpenAPI

    @classmethod
    def read(cls, path: Path) -> "OpenApi":
        """From a file."""
        description = json.loads(path.read_bytes())
        unchecked = Config(spec_validator_cls=None)  # checking the description itself takes 12 s
        return cls(description, OpenAPI.from_dict(description, config=unchecked))

    @property
    def home(self) -> str:
        """See `Schema`."""
        return str(self.description["servers"][0]["url"])

    def wrong(self, exchange: Exchange) -> list[str]:
        """By the description, and fields that it does not know: most servers leave those out without a word."""
        request = WerkzeugOpenAPIRequest(self._request(exchange))
        try:
            found = self.interface.unmarshal_request(request)
            errors = [str(error.__cause__ or error) for error in found.errors]
        except OpenAPIError as error:
            errors = [str(error)]
        return errors or list(self._unknown(exchange))

    def _request(self, exchange: Exchange) -> WebRequest:
        path, _, query = exchange.path.partition("?")
        kind = exchange.headers.get("content-type")
        made = EnvironBuilder(path, self.home, query, exchange.method, data=exchange.body or None, content_type=kind)
        return WebRequest(made.get_environ())

    def _unknown(self, exchange: Exchange) -> Iterator[str]:
        place = self._place(exchange)
        known = {self._at(one)["name"] for one in place.get("parameters", ()) if self._at(one)["in"] == "query"}
        given = parse_qs(urlsplit(exchange.path).query, keep_blank_values=True)
        yield from (f"query parameter {name!r} is not known" for name in given if name not in known)
        if exchange.body:
            content = self._at(place["requestBody"])["content"]["application/json"]["schema"]
            fields = self._at(content).get("properties", {})
            yield from (f"field {name!r} is not known" for name in json.loads(exchange.body) if name not in fields)

    def _place(self, exchange: Exchange) -> Mapping[str, Any]:
        """The operation with the most literal path that fits."""
        path = urlsplit(exchange.path).path
        fitting = [each for each in self.description["paths"] if re.fullmatch(pattern(each), path)]
        best = min(fitting, key=lambda each: each.count("{"))
        return dict(self.description["paths"][best][exchange.method.lower()])

    def _at(self, part: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" not in part:
            return part
        value: Any = self.description
        for step in part["$ref"].removeprefix("#/").split("/"):
            value = value[step]
        return dict(value)


@dataclass(frozen=True)
class GraphQL:
    """A GraphQL schema: documents and their variables."""

    schema: graphql.GraphQLSchema
    home: str = ""

    def wrong(self, exchange: Exchange) -> list[str]:
        """By the rules of the language."""
        asked = json.loads(exchange.body)
        try:
            document = graphql.parse(asked["query"])
        except graphql.GraphQLSyntaxError as error:
            return [str(error)]
        if errors := graphql.validate(self.schema, document):
            return [error.message for error in errors]
        given = asked.get("variables") or {}
        operations = [each for each in document.definitions if isinstance(each, graphql.OperationDefinitionNode)]
        return [problem for each in operations for problem in self._variables(each, given)]

    def _variables(self, operation: graphql.OperationDefinitionNode, given: Mapping[str, Any]) -> Iterator[str]:
        known = {each.variable.name.value for each in operation.variable_definitions or ()}
        yield from (f"variable {name!r} is not declared" for name in given if name not in known)
        values = get_variable_values(self.schema, tuple(operation.variable_definitions or ()), dict(given))
        if isinstance(values, list):
            yield from (error.message for error in values)


@dataclass(frozen=True)
class Discovery:
    """A description in Google's own format: methods with parameters and paths below its base, and bodies."""

    description: Mapping[str, Any]

    @property
    def home(self) -> str:
        """See `Schema`."""
        return str(self.description["baseUrl"]).rstrip("/")

    def wrong(self, exchange: Exchange) -> list[str]:
        """By the description; fields and parameters that it does not know are wrong, too."""
        found = self._method(exchange)
        if found is None:
            return [f"there is no {exchange.method} {exchange.path}"]
        known = {**self.description["parameters"], **found["parameters"]}
        given = parse_qs(urlsplit(exchange.path).query, keep_blank_values=True)
        wrong = [f"query parameter {name!r} is not known" for name in given if name not in known]
        asked = {name: one for name, one in found["parameters"].items() if one["location"] == "query"}
        needed = [name for name, one in asked.items() if one.get("required")]
        wrong += [f"query parameter {name!r} is missing" for name in needed if name not in given]
        return wrong + (self._body(found, exchange) if "request" in found else [])

    def _method(self, exchange: Exchange) -> Mapping[str, Any] | None:
        path = unquote(urlsplit(exchange.path).path)
        for method in _methods(self.description):
            if method["httpMethod"] == exchange.method and re.fullmatch(f"/{pattern(method['path'])}", path):
                return method
        return None

    def _body(self, method: Mapping[str, Any], exchange: Exchange) -> list[str]:
        parts = {name: _modern(part, method["id"]) for name, part in self.description["schemas"].items()}
        schema = {"$defs": parts, "$ref": f"#/$defs/{method['request']['$ref']}"}
        return [error.message for error in Draft202012Validator(schema).iter_errors(json.loads(exchange.body))]


def pattern(template: str) -> str:
    """A path with parameters in braces as a regular expression."""
    return re.sub(r"\{[^}]+\}", "[^/]+", template)


def _methods(part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for resource in part.get("resources", {}).values():
        yield from resource.get("methods", {}).values()
        yield from _methods(resource)


def _modern(part: Mapping[str, Any], method: str) -> dict[str, Any]:
    """A schema of the discovery format as JSON schema; what a method requires stands in annotations there."""
    new: dict[str, Any] = {"$ref": f"#/$defs/{part['$ref']}"} if "$ref" in part else {}
    new |= {name: part[name] for name in ("type", "enum", "pattern") if name in part and part[name] != "any"}
    if "properties" in part:
        new["properties"] = {name: _modern(one, method) for name, one in part["properties"].items()}
        needed = {name for name, one in part["properties"].items() if method in _required(one)}
        new |= {"required": sorted(needed), "additionalProperties": False}
    elif "additionalProperties" in part:
        new["additionalProperties"] = _modern(part["additionalProperties"], method)
    if "items" in part:
        new["items"] = _modern(part["items"], method)
    return new


def _required(part: Mapping[str, Any]) -> list[str]:
    return list(part.get("annotations", {}).get("required", ()))


@cache
def github() -> OpenApi:
    """GitHub's REST description, of `@octokit/openapi` (MIT)."""
    folder = package("@octokit/openapi", "23.0.2", r"generated/api\.github\.com\.json")
    return OpenApi.read(folder / "api.github.com.json")


@cache
def linear() -> GraphQL:
    """Linear's GraphQL schema, from the declarations in `@linear/sdk` (MIT)."""
    folder = package("@linear/sdk", "98.0.0", r"dist/index-[\w-]+\.d\.mts")
    (path,) = folder.glob("*.d.mts")
    return GraphQL(declarations.schema(path.read_text()))


@cache
def google_calendar() -> Discovery:
    """Google Calendar's discovery document, of `google-api-python-client` (Apache-2.0)."""
    member = "googleapiclient/discovery_cache/documents/calendar.v3.json"
    folder = wheel("google-api-python-client", "2.202.0", member)
    return Discovery(json.loads((folder / "calendar.v3.json").read_bytes()))
