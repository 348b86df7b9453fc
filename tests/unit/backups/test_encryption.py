from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pyrage  # type: ignore[import-untyped]
import pytest

from wayra_db.backups.encryption import decrypting, encrypting, require_recipients
from wayra_db.errors import BackupError, ConfigError


@pytest.fixture
def key() -> tuple[str, str]:
    """A recipient and its identity."""
    identity = pyrage.x25519.Identity.generate()
    return str(identity.to_public()), str(identity)


def encrypted(data: bytes, *recipients: str, piece: int = 100_000) -> bytes:
    """The data, sealed piece by piece."""
    target = io.BytesIO()
    with encrypting(target, recipients) as file:
        for offset in range(0, len(data), piece):
            file.write(memoryview(data)[offset : offset + piece])
    return target.getvalue()


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 5_000_000])
def test_there_and_back(key: tuple[str, str], size: int) -> None:
    """Any size, in any pieces."""
    data = os.urandom(size)
    sealed = encrypted(data, key[0])
    assert data[:64] not in sealed or size < 8
    with decrypting(io.BytesIO(sealed), [key[1]]) as file:
        assert file.read() == data
    with decrypting(io.BytesIO(sealed), [key[1]]) as file:
        assert b"".join(iter(lambda: file.read(777), b"")) == data


def test_it_is_the_age_format(key: tuple[str, str], tmp_path: Path) -> None:
    """The package opens it in one call, what that seals is opened here, and so does the program where it is there."""
    data = os.urandom(300_000)
    sealed = encrypted(data, key[0])
    assert sealed.startswith(b"age-encryption.org/v1\n")
    assert pyrage.decrypt(sealed, [pyrage.x25519.Identity.from_str(key[1])]) == data
    other = pyrage.encrypt(data, [pyrage.x25519.Recipient.from_str(key[0])])
    with decrypting(io.BytesIO(other), [key[1]]) as file:
        assert file.read() == data
    if program := shutil.which("age"):
        (tmp_path / "key").write_text(key[1])
        (tmp_path / "file.age").write_bytes(sealed)
        command = [program, "--decrypt", "-i", str(tmp_path / "key"), str(tmp_path / "file.age")]
        assert subprocess.run(command, capture_output=True, check=True).stdout == data


def test_each_of_several_recipients(key: tuple[str, str]) -> None:
    """Opens it alone; somebody else does not."""
    second, stranger = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    sealed = encrypted(b"data", key[0], str(second.to_public()))
    for identity in (key[1], str(second)):
        with decrypting(io.BytesIO(sealed), [identity]) as file:
            assert file.read() == b"data"
    with (
        decrypting(io.BytesIO(sealed), [str(stranger)]) as file,
        pytest.raises(BackupError, match="cannot be decrypted"),
    ):
        file.read()


@pytest.mark.parametrize("place", [0, 50, 400, -1])
def test_a_changed_byte_is_found(key: tuple[str, str], place: int) -> None:
    """Wherever it is; what was cut off as well."""
    sealed = bytearray(encrypted(os.urandom(200_000), key[0]))
    sealed[place] ^= 1
    for damaged in (bytes(sealed), encrypted(os.urandom(200_000), key[0])[:-70_000]):
        with decrypting(io.BytesIO(damaged), [key[1]]) as file, pytest.raises(BackupError):
            file.read()


def test_errors_of_the_files_come_through(key: tuple[str, str]) -> None:
    """As they are, from whichever thread."""

    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    def fill_up() -> None:
        with encrypting(Full(), [key[0]]) as file:
            for _ in range(100):
                file.write(bytes(100_000))

    with pytest.raises(OSError, match="No space"):
        fill_up()

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with decrypting(Broken(), [key[1]]) as source, pytest.raises(OSError, match="Input/output"):
        source.read()


def test_nothing_keeps_running(key: tuple[str, str]) -> None:
    """Not after an error in the block, and not when a file is closed in the middle."""
    sealed = encrypted(bytes(3_000_000), key[0])
    before = threading.active_count()

    def break_off() -> None:
        with encrypting(io.BytesIO(), [key[0]]) as file:
            file.write(b"x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    decrypting(io.BytesIO(sealed), [key[1]]).close()
    with decrypting(io.BytesIO(sealed), [key[1]]) as source:
        source.read(10)
    assert threading.active_count() == before


def test_recipients(key: tuple[str, str], tmp_path: Path) -> None:
    """By themselves or in a file, once each and in order."""
    other = str(pyrage.x25519.Identity.generate().to_public())
    (tmp_path / "recipients").write_text(f"# mine\n{key[0]}\n\n{other}\n")
    assert require_recipients([str(tmp_path / "recipients"), key[0]]) == (key[0], other)
    assert require_recipients([]) == ()
    (tmp_path / "empty").write_text("# nobody\n")
    for wrong in ("age1wrong", "nobody", str(tmp_path / "none"), str(tmp_path / "empty"), "ssh-rsa x"):
        with pytest.raises(ConfigError):
            require_recipients([wrong])


def test_identities(key: tuple[str, str], tmp_path: Path) -> None:
    """By themselves or in a file as `age-keygen` writes one; a slip in one is not repeated in the error."""
    sealed = encrypted(b"data", key[0])
    (tmp_path / "key").write_text(f"# public key: {key[0]}\n{key[1]}\n")
    with decrypting(io.BytesIO(sealed), tmp_path / "key") as file:
        assert file.read() == b"data"
    wrong = key[1][:-1] + "x"
    with pytest.raises(ConfigError) as caught:
        decrypting(io.BytesIO(sealed), [wrong])
    assert wrong not in str(caught.value) + caught.value.hint
    nothings: list[list[str] | Path] = [[], tmp_path / "none"]
    for nothing in nothings:
        with pytest.raises(ConfigError):
            decrypting(io.BytesIO(sealed), nothing)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names what to install."""
    monkeypatch.setitem(sys.modules, "pyrage", None)
    with pytest.raises(ConfigError) as caught:
        require_recipients(["age1abc"])
    assert "wayra-db[encryption]" in caught.value.hint
