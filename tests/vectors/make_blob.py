"""Makes blob.json: the format written down a second time, on nothing but the ciphers and struct.

Run as `python -m tests.vectors.make_blob`; the values follow from the names, so that the file is always the same.
"""

from __future__ import annotations

import hashlib
import json
import struct
import uuid
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

PATH = Path(__file__).with_name("blob.json")
LENGTHS = {1: 32, 2: 24, 3: 16, 5: 32}
CIPHERS: dict[int, Any] = {5: ChaCha20Poly1305}

CASES: tuple[tuple[str, int, bytes, dict[str, str]], ...] = (
    ("one byte, no context", 1, b"\x00", {}),
    ("a text, one entry", 1, b"attack at dawn", {"purpose": "test"}),
    ("keys in the order of their UTF-8 bytes, not of UTF-16", 1, b"order", {"\U00010000": "1", "\uffff": "2"}),
    ("an empty key and an empty value", 1, b"empty", {"": "", "a": ""}),
    ("AES-192", 2, b"192", {"tenant": "acme"}),
    ("AES-128", 3, b"128", {"tenant": "acme"}),
    ("ChaCha20-Poly1305", 5, b"chacha", {"tenant": "acme"}),
    ("the longest plaintext", 1, bytes(range(256)) * 24, {"object": "s3://bucket/key", "owner": "Müller"}),
)


def material(name: str, what: str, length: int) -> bytes:
    return hashlib.shake_256(f"{name}/{what}".encode()).digest(length)


def context_bytes(context: dict[str, str]) -> bytes:
    if not context:
        return b""
    out = struct.pack(">I", len(context))
    for key in sorted(context, key=lambda text: text.encode("utf-8")):
        for text in (key, context[key]):
            out += struct.pack(">I", len(text.encode("utf-8"))) + text.encode("utf-8")
    return out


def vector(name: str, suite: int, plaintext: bytes, context: dict[str, str]) -> dict[str, Any]:
    key = material(name, "key", LENGTHS[suite])
    version = uuid.UUID(bytes=material(name, "version", 16), version=4)
    iv = material(name, "iv", 12)
    head = b"\x01" + bytes([suite]) + version.bytes
    aad = b"kmsd-blob\0" + head + context_bytes(context)
    return {
        "name": name,
        "suite": suite,
        "key": key.hex(),
        "version": str(version),
        "iv": iv.hex(),
        "context": context,
        "additional_data": aad.hex(),
        "plaintext": plaintext.hex(),
        "blob": (head + iv + CIPHERS.get(suite, AESGCM)(key).encrypt(iv, plaintext, aad)).hex(),
    }


def text() -> str:
    return json.dumps([vector(*case) for case in CASES], indent=2) + "\n"


if __name__ == "__main__":
    PATH.write_text(text())
