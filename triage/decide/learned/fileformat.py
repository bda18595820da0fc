r"""The file of a model. Reading one runs nothing that is in it, and takes no more memory than its size allows.

    16 bytes    b"triage model 01\\n"
    32 bytes    SHA-256 of all that follows
    4 bytes     length of the header (little-endian)
    header      JSON: classes, words, temperature, threshold, target, trained_at, numbers
    the rest    idf, coefficients (a row for each word), intercepts as little-endian 32-bit floats

Nothing is compressed and no length is taken on trust: those of the arrays follow from the header's lists. The checksum
finds damage, not forgery: whoever can write the file decides what the model says, though not what else happens. The
words are those of the reports, so the file is as confidential as they are.
"""

import hashlib
import os
import struct
from pathlib import Path
from typing import Annotated, Self

import numpy as np
import pydantic
from pydantic import AwareDatetime, Field

from triage.decide.learned.model import Floats, Model
from triage.errors import InvalidSetting
from triage.model import Json, Record

MAGIC = b"triage model 01\n"
LARGEST = 64 * 1024 * 1024
"""Bytes; 30,000 words and 100 classes are 13 MB."""

_LENGTH = struct.Struct("<I")
_FLOAT = np.dtype("<f4")
_START = len(MAGIC) + hashlib.sha256().digest_size

Name = Annotated[str, Field(min_length=1, max_length=200)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Header(Record):
    classes: Annotated[tuple[Name, ...], Field(min_length=2, max_length=1_000)]
    words: Annotated[tuple[Name, ...], Field(max_length=1_000_000)]
    temperature: Annotated[Finite, Field(ge=0.01, le=100)]
    threshold: Annotated[Finite, Field(ge=0, le=1)] | None
    target: Annotated[Finite, Field(ge=0, le=1)]
    trained_at: AwareDatetime
    numbers: Json

    @pydantic.model_validator(mode="after")
    def _nothing_is_there_twice(self) -> Self:
        for names in (self.classes, self.words):
            if len(set(names)) < len(names):
                raise ValueError("a name is there twice")
        return self

    @classmethod
    def of(cls, model: Model) -> Self:
        return cls(**{name: getattr(model, name) for name in cls.model_fields})


class _Unreadable(Exception):
    """What is wrong with the file."""


def save(model: Model, path: Path) -> None:
    """Write the file whole or not at all, also if the machine stops meanwhile.

    Raises `InvalidSetting` when it cannot be written.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with draft.open("wb") as file:
            file.write(to_bytes(model))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InvalidSetting(f"{path}: cannot be written: {error.strerror or error}") from None


def load(path: Path) -> Model:
    """Read a model; raises `InvalidSetting`, saying what is wrong, for whatever else the file is."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise InvalidSetting(f"{path}: cannot be read: {error.strerror or error}") from None
    return read(content, str(path))


def read(content: bytes, name: str) -> Model:
    """The model in these bytes; raises `InvalidSetting`, naming it and saying what is wrong, for anything else."""
    try:
        return from_bytes(content)
    except _Unreadable as error:
        raise InvalidSetting(f"{name}: is no model: {error}") from None


def to_bytes(model: Model) -> bytes:
    """The whole file."""
    header = _Header.of(model).model_dump_json().encode()
    arrays = (model.idf, model.coefficients, model.intercepts)
    rest = _LENGTH.pack(len(header)) + header + b"".join(array.astype(_FLOAT).tobytes() for array in arrays)
    return MAGIC + hashlib.sha256(rest).digest() + rest


def from_bytes(content: bytes) -> Model:
    """The model of such a file; raises an error that `read` explains."""
    if len(content) > LARGEST:
        raise _Unreadable(f"it is longer than {LARGEST} bytes")
    if not content.startswith(MAGIC):
        raise _Unreadable("it does not begin like one, or it is of another version of triage")
    if hashlib.sha256(content[_START:]).digest() != content[len(MAGIC) : _START]:
        raise _Unreadable("it is damaged: its checksum is another one")
    return _parsed(content[_START:])


def _parsed(rest: bytes) -> Model:
    if len(rest) < _LENGTH.size:
        raise _Unreadable("it ends too early")
    (length,) = _LENGTH.unpack_from(rest)
    header = _header(rest[_LENGTH.size : _LENGTH.size + length])
    words, classes = len(header.words), len(header.classes)
    expected = _LENGTH.size + length + _FLOAT.itemsize * (words + words * classes + classes)
    if len(rest) != expected:
        raise _Unreadable(f"it has {len(rest)} bytes after its checksum, but announces {expected}")
    numbers = _floats(rest[_LENGTH.size + length :])
    idf, coefficients, intercepts = np.split(numbers, [words, words + words * classes])
    fields = {name: getattr(header, name) for name in _Header.model_fields}
    return Model(idf=idf, coefficients=coefficients.reshape(words, classes), intercepts=intercepts, **fields)


def _header(text: bytes) -> _Header:
    try:
        return _Header.model_validate_json(text)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "header"
        raise _Unreadable(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None


def _floats(content: bytes) -> Floats:
    numbers = np.frombuffer(content, _FLOAT).astype(np.float32)
    if not np.isfinite(numbers).all():
        raise _Unreadable("one of its numbers is infinite or none at all")
    return numbers
