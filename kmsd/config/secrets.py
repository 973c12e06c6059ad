"""Secrets come from files of their own: read once, never shown, never written in the configuration."""

from __future__ import annotations

import hmac
import stat
from pathlib import Path

MAXIMUM_SIZE = 64 * 1024
ROOT_KEY_SIZE = 32


class Secret:
    """Bytes that no repr, log line or pickle shows; `reveal` is the one way to them."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        return self._value

    def text(self) -> str:
        """The secret as text, without the line end that editors append. Raises ValueError for no UTF-8."""
        try:
            return self._value.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            # The decoder's own error quotes the bytes.
            raise ValueError("is not text") from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "Secret()"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")


class SecretFile:
    """A file that holds one secret.

    `private` demands that its mode gives nothing to group and others; systemd's credential directory is
    closed as a whole, so files in it are taken as they are.
    """

    __slots__ = ("_secret", "path", "private")

    def __init__(self, path: Path, *, private: bool = True) -> None:
        self.path = path
        self.private = private
        self._secret: Secret | None = None

    def read(self) -> Secret:
        """The content, at most 64 KiB, read from the file the first time only.

        Raises ValueError, which says what is wrong with the file.
        """
        if self._secret is None:
            self.check()
            try:
                with self.path.open("rb") as file:
                    content = file.read(MAXIMUM_SIZE + 1)
            except OSError as error:
                raise ValueError(f"{self.path}: {error.strerror}") from error
            if len(content) > MAXIMUM_SIZE:
                raise ValueError(f"{self.path}: more than {MAXIMUM_SIZE} bytes")
            self._secret = Secret(content)
        return self._secret

    def check(self) -> None:
        """Raise ValueError unless this is a regular file that others cannot read."""
        try:
            status = self.path.stat()
        except OSError as error:
            raise ValueError(f"{self.path}: {error.strerror}") from error
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{self.path}: not a regular file")
        if self.private and status.st_mode & 0o077:
            mode = stat.S_IMODE(status.st_mode)
            raise ValueError(f"{self.path}: open to group or others (mode {mode:04o}): chmod 600 it")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretFile) and (self.path, self.private) == (other.path, other.private)

    def __hash__(self) -> int:
        return hash((self.path, self.private))

    def __repr__(self) -> str:
        return f"SecretFile({str(self.path)!r})"


def root_key(file: SecretFile) -> Secret:
    """The 32-byte root key of a file that holds it raw or as 64 hexadecimal digits. Raises ValueError."""
    content = file.read().reveal()
    if len(content) == ROOT_KEY_SIZE:
        return Secret(content)
    try:
        key = bytes.fromhex(content.decode("ascii"))
    except ValueError:
        key = b""
    if len(key) != ROOT_KEY_SIZE:
        raise ValueError(f"{file.path}: a root key is {ROOT_KEY_SIZE} bytes, raw or as 64 hexadecimal digits")
    return Secret(key)


def pin(file: SecretFile) -> Secret:
    """The PIN of a file that holds it as one line. Raises ValueError."""
    try:
        text = file.read().text()
    except ValueError as error:
        raise ValueError(str(error) if str(file.path) in str(error) else f"{file.path}: {error}") from None
    if not text or "\n" in text:
        raise ValueError(f"{file.path}: a PIN is one line of text")
    return Secret(text.encode())
