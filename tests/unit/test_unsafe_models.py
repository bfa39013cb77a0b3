"""Files made to look harmless: what they can do is told all the same, and they write nothing for the installer."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path

import pytest

from mlserve.inspection import inspect

EVIL = "1.2\n--index-url http://127.0.0.1:1/\nother-package"


def _message(number: int, content: bytes) -> bytes:
    """A field of protobuf: a message or a text."""
    size, length = len(content), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + content


def _saved_model(nodes: bytes, listed: bytes = b"") -> bytes:
    return _message(2, _message(1, _message(2, listed)) + _message(2, nodes))


def _scripted(path: Path, body: str, code: str = "m/code/__torch__.py") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/constants.pkl", b"\x80\x02).")
        archive.writestr(code, f"def forward(self, x: Tensor) -> Tensor:\n  {body}\n  return x\n")
    return path


@pytest.mark.parametrize(
    "body",
    [
        'torch.save(x, "f")',
        'torch.save (x, "f")',
        'torch . save(x, "f")',
        'torch.\\\n  save(x, "f")',
        '(torch. # a word\n save)(x, "f")',
        '(torch).save(x, "f")',
        'getattr(torch, "save")(x, "f")',
        'getattr(torch, "sa\\166e")(x, "f")',
        'ops.aten.from_file("f")',
    ],
)
def test_a_torchscript_program_that_reaches_files_is_known_however_it_is_written(body: str, tmp_path: Path) -> None:
    assert "reach files" in inspect(_scripted(tmp_path / "m.pt", body)).runs_code


@pytest.mark.parametrize("code", ["m/CODE/__torch__.py", "m/code/__torch__.PY"])
def test_pytorch_finds_code_whatever_the_case_of_its_name(code: str, tmp_path: Path) -> None:
    assert inspect(_scripted(tmp_path / "m.pt", 'torch.save(x, "f")', code)).runs_code


def test_members_that_have_numbers_for_names_are_harmless(tmp_path: Path) -> None:
    body = 'x = (getattr(self, "0")).forward(torch.add(x, x), )'
    assert inspect(_scripted(tmp_path / "m.pt", body)).runs_code == ""


def test_a_saved_model_is_judged_by_its_graph_and_not_by_its_own_list(tmp_path: Path) -> None:
    node = _message(1, b"name") + _message(2, b"WriteFile")
    listed = _message(1, _message(1, b"Mul"))
    for nodes in (_message(1, node), _message(2, _message(1, _message(3, node)))):
        (tmp_path / "saved_model.pb").write_bytes(_saved_model(nodes, listed))
        assert "WriteFile" in inspect(tmp_path).runs_code
    (tmp_path / "saved_model.pb").write_bytes(_saved_model(_message(1, _message(2, b"Mul")), listed))
    assert inspect(tmp_path).runs_code == ""


def test_a_version_that_is_none_is_not_passed_on_to_the_installer(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.skops", "w") as archive:
        version = {"content": f'"{EVIL}"'}
        archive.writestr("schema.json", json.dumps({"_skops_version": EVIL, "_sklearn_version": version}))
    text = EVIL.encode()
    state = b"{L" + struct.pack(">q", 7) + b"version[SU" + bytes([len(text)]) + text + b"]}"
    (tmp_path / "m.pkl").write_bytes(b"\x80\x04C" + bytes([len(state)]) + state + b".")
    for name in ("m.skops", "m.pkl"):
        assert inspect(tmp_path / name).versions == {}
