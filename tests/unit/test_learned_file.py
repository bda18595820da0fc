"""The file of a model: it comes back as it was, and a broken or hostile one is explained."""

import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.labelled import reports
from triage.decide.learned import fileformat
from triage.decide.learned.model import Model
from triage.decide.learned.training import train
from triage.errors import InvalidSetting

START = len(fileformat.MAGIC) + 32


@pytest.fixture(scope="module")
def model() -> Model:
    """A small one."""
    return train(reports(30), 0.9).model


def sealed(rest: bytes) -> bytes:
    """A file with a checksum that fits: what somebody hostile would write."""
    return fileformat.MAGIC + hashlib.sha256(rest).digest() + rest


def with_header(content: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """The file with another header."""
    (length,) = struct.unpack_from("<I", content, START)
    header = json.loads(content[START + 4 : START + 4 + length])
    change(header)
    text = json.dumps(header).encode()
    return sealed(struct.pack("<I", len(text)) + text + content[START + 4 + length :])


def refused(content: bytes, path: Path) -> str:
    """Load a file that is no model; what is said of it."""
    path.write_bytes(content)
    with pytest.raises(InvalidSetting) as caught:
        fileformat.load(path)
    return str(caught.value)


def test_it_comes_back_as_it_was(model: Model, tmp_path: Path) -> None:
    """Saving and loading gives a model with the same version, fields and opinions, and leaves no draft behind."""
    path = tmp_path / "a.model"
    fileformat.save(model, path)
    again = fileformat.load(path)
    assert again.version == model.version
    assert again.numbers == json.loads(json.dumps(model.numbers))
    for name in ("classes", "words", "temperature", "threshold", "target", "trained_at"):
        assert getattr(again, name) == getattr(model, name)
    for report in reports(30):
        assert again.opinion(report.title, report.body) == model.opinion(report.title, report.body)
    assert list(tmp_path.iterdir()) == [path]
    assert fileformat.to_bytes(again) == path.read_bytes()


def test_damage_is_found(model: Model, tmp_path: Path) -> None:
    """A file of another kind, one that was cut off, and one with a flipped bit are told apart."""
    content = fileformat.to_bytes(model)
    path = tmp_path / "a.model"
    assert "does not begin like one" in refused(b"", path)
    assert "does not begin like one" in refused(b"PK\x03\x04" + content, path)
    assert "is damaged" in refused(content[:-1], path)
    assert "is damaged" in refused(content[:-1] + bytes([content[-1] ^ 1]), path)
    assert "is damaged" in refused(content[: len(fileformat.MAGIC)], path)
    assert f"{path}: is no model" in refused(content + b"x", path)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda header: header.update(classes=["bug"]), "classes: "),
        (lambda header: header.update(classes=["bug", "bug", "feature"]), "a name is there twice"),
        (lambda header: header.update(words=header["words"][:-1]), "but announces"),
        (lambda header: header.update(words=header["words"] * 2), "a name is there twice"),
        (lambda header: header.update(temperature=0), "temperature: "),
        (lambda header: header.update(temperature=float("inf")), "temperature: "),
        (lambda header: header.update(threshold=1.5), "threshold: "),
        (lambda header: header.update(trained_at="2030-01-01T00:00:00"), "trained_at: "),
        (lambda header: header.update(more=1), "more: "),
        (lambda header: header.pop("target"), "target: "),
    ],
)
def test_a_header_out_of_bounds_is_refused(
    model: Model, tmp_path: Path, change: Callable[[dict[str, Any]], object], problem: str
) -> None:
    """Also with a checksum that fits, every field of the header is checked and named."""
    told = refused(with_header(fileformat.to_bytes(model), change), tmp_path / "a.model")
    assert "is no model: " in told and problem in told


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        (b"", "it ends too early"),
        (struct.pack("<I", 2**32 - 1) + b"{}", "classes: "),
        (struct.pack("<I", 4) + b"null", "header: "),
        (struct.pack("<I", 200_000) + b"[" * 200_000, "header: "),
        (struct.pack("<I", 9) + b"\xff\xfe\x00\x80oops!", "header: "),
    ],
)
def test_nonsense_with_a_right_checksum_is_refused(tmp_path: Path, rest: bytes, problem: str) -> None:
    """Lengths that lie, deep nesting and what is no text are told, not followed."""
    assert problem in refused(sealed(rest), tmp_path / "a.model")


def test_numbers_must_be_finite(model: Model, tmp_path: Path) -> None:
    """A coefficient that is no number would make every opinion none; it is refused."""
    content = fileformat.to_bytes(model)
    hostile = sealed(content[START:-4] + np.float32(np.nan).tobytes())
    assert "infinite or none at all" in refused(hostile, tmp_path / "a.model")


def test_a_huge_file_is_not_read_whole(tmp_path: Path) -> None:
    """More than the bound is refused after reading the bound."""
    path = tmp_path / "a.model"
    with path.open("wb") as file:
        file.truncate(fileformat.LARGEST * 100)  # takes no space
    with pytest.raises(InvalidSetting, match=f"longer than {fileformat.LARGEST} bytes"):
        fileformat.load(path)


def test_files_that_cannot_be_used(model: Model, tmp_path: Path) -> None:
    """A missing file and a folder that is not there are told with their path."""
    with pytest.raises(InvalidSetting, match="missing: cannot be read: No such file"):
        fileformat.load(tmp_path / "missing")
    with pytest.raises(InvalidSetting, match="cannot be written: No such file"):
        fileformat.save(model, tmp_path / "no" / "a.model")
