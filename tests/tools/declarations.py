"""A GraphQL schema from the TypeScript declarations that a generator made of it.

Linear's npm package carries no schema file, but declarations of every type, field, argument and enum in it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from graphql import GraphQLSchema, build_schema

OBJECT = re.compile(r"^(?:export )?type (\w+) = ((?:\w+ & )*)\{\n(.*?)^\};", re.MULTILINE | re.DOTALL)
ENUM = re.compile(r"^(?:export )?(?:declare )?enum (\w+) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
UNION = re.compile(r"^(?:export )?type (\w+) = (\w+(?: \| \w+)+);$", re.MULTILINE)
FIELD = re.compile(r"^  (\w+)\??: ([^{};]+);$", re.MULTILINE)
VALUE = re.compile(r'= "(\w+)"')
SCALAR = re.compile(r'^Scalars\["(\w+)"\](?:\["\w+"\])?$')
WRAPPED = re.compile(r"^(Maybe|InputMaybe|Array)<(.+)>$")
OPERATION = re.compile(r"^Scalars$|\w(Fragment|Query|Mutation|Variables)$")
BUILT_IN = {"String", "Int", "Float", "Boolean", "ID"}


@dataclass(frozen=True)
class Declared:
    """A type: what it extends, whether its objects can name it (arguments cannot), its fields' types in TypeScript."""

    bases: tuple[str, ...]
    named: bool
    fields: Mapping[str, str] = field(default_factory=dict)


def schema(text: str) -> GraphQLSchema:
    """The schema that the declarations were made of, without its descriptions and directives."""
    objects = dict(_objects(text))
    unions = {name: members.split(" | ") for name, members in UNION.findall(text) if not OPERATION.search(name)}
    enums = {name: VALUE.findall(body) for name, body in ENUM.findall(text)}
    inputs = _inputs(objects)
    named = {name for name, declared in objects.items() if declared.named}
    interfaces = {base for declared in objects.values() for base in declared.bases}
    parts = [f"enum {name} {{ {' '.join(values)} }}" for name, values in enums.items() if values]
    parts += [f"union {name} = {' | '.join(each)}" for name, each in unions.items() if set(each) <= named]
    for name, declared in objects.items():
        if name in inputs:
            parts.append(f"input {name} {{ {_fields(name, declared, {})} }}")
        elif declared.named or name in interfaces:
            parts.append(_output(name, declared, objects, interfaces))
    scalars = set(re.findall(r'Scalars\["(\w+)"\]', text)) - BUILT_IN
    return build_schema("\n".join((*parts, *(f"scalar {name}" for name in scalars))), assume_valid=True)


def _objects(text: str) -> Iterator[tuple[str, Declared]]:
    for name, bases, body in OBJECT.findall(text):
        if not OPERATION.search(name):
            fields = dict(FIELD.findall(body))
            named = bool(fields.pop("__typename", ""))
            yield name, Declared(tuple(re.findall(r"\w+", bases)), named, fields)


def _inputs(objects: Mapping[str, Declared]) -> set[str]:
    """The types that arguments are made of."""
    found: set[str] = set()
    new = {kind for name, each in objects.items() if name.endswith("Args") for kind in _named(each, objects)}
    while new:
        found |= new
        new = {kind for name in new for kind in _named(objects[name], objects)} - found
    return found


def _named(declared: Declared, objects: Mapping[str, Declared]) -> set[str]:
    return {word for value in declared.fields.values() for word in re.findall(r"\w+", value)} & set(objects)


def _output(name: str, declared: Declared, objects: Mapping[str, Declared], interfaces: set[str]) -> str:
    arguments = {key: objects.get(f"{name}{key[0].upper()}{key[1:]}Args") for key in declared.fields}
    word = "interface" if name in interfaces else "type"
    bases = f" implements {' & '.join(declared.bases)}" if declared.bases else ""
    return f"{word} {name}{bases} {{ {_fields(name, declared, arguments)} }}"


def _fields(name: str, declared: Declared, arguments: Mapping[str, Declared | None]) -> str:
    if not declared.fields:
        raise ValueError(f"{name} has no fields: the declarations are written in another way than expected")
    return " ".join(
        f"{key}{f'({_fields(key, given, {})})' if (given := arguments.get(key)) else ''}: {_type(value)}"
        for key, value in declared.fields.items()
    )


def _type(value: str) -> str:
    """A field's type; what is not wrapped in a `Maybe` is never null."""
    if (wrapped := WRAPPED.match(value)) and wrapped[1] != "Array":
        return _type(wrapped[2]).removesuffix("!")
    if wrapped:
        return f"[{_type(wrapped[2])}]!"
    scalar = SCALAR.match(value)
    return f"{scalar[1] if scalar else value}!"
