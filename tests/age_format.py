"""Decrypts an age file by nothing but the published specification of the format (https://age-encryption.org/v1).

Kept apart from the package that makes such files, on purpose: what opens here opens with any implementation.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

VERSION = "age-encryption.org/v1"
CHUNK = 64 * 1024
TAG = 16
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def decrypt(data: bytes, identity: str) -> bytes:
    """The content of a file for an identity, `AGE-SECRET-KEY-1...`. Raises ValueError for what the format forbids."""
    end = data.index(b"\n---") + len(b"\n---")
    header, rest = data[:end], data[end:]
    mac, _, payload = rest.partition(b"\n")
    lines = header.decode("ascii").splitlines()
    if lines[0] != VERSION:
        raise ValueError("another version")
    key = X25519PrivateKey.from_private_bytes(_secret(identity))
    file_key = next((found for stanza in _stanzas(lines[1:-1]) if (found := _unwrapped(stanza, key))), None)
    if file_key is None:
        raise ValueError("no recipient of the file has this identity")
    if not hmac.compare_digest(hmac.digest(_derived(file_key, b"", b"header"), header, hashlib.sha256), _bytes(mac)):
        raise ValueError("the header was changed")
    return b"".join(_chunks(payload[16:], _derived(file_key, payload[:16], b"payload")))


def _stanzas(lines: list[str]) -> Iterator[tuple[list[str], bytes]]:
    """The arguments and the body of each recipient; a body ends with the first line of fewer than 64 columns."""
    place = 0
    while place < len(lines):
        arrow, *arguments = lines[place].split(" ")
        if arrow != "->":
            raise ValueError("a recipient has no arrow")
        body = ""
        while True:
            place += 1
            body += lines[place]
            if len(lines[place]) < 64:
                break
        place += 1
        yield arguments, _bytes(body.encode())


def _unwrapped(stanza: tuple[list[str], bytes], key: X25519PrivateKey) -> bytes | None:
    arguments, body = stanza
    if arguments[0] != "X25519":
        return None
    share = _bytes(arguments[1].encode())
    shared = key.exchange(X25519PublicKey.from_public_bytes(share))
    recipient = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    wrap = _derived(shared, share + recipient, f"{VERSION}/X25519".encode())
    try:
        return ChaCha20Poly1305(wrap).decrypt(bytes(12), body, None)
    except InvalidTag:
        return None


def _chunks(payload: bytes, key: bytes) -> Iterator[bytes]:
    """STREAM: each chunk under its number, the last one under a flag of its own, so that none can be cut off."""
    cipher, size = ChaCha20Poly1305(key), CHUNK + TAG
    for number, begin in enumerate(range(0, len(payload), size)):
        last = begin + size >= len(payload)
        yield cipher.decrypt(number.to_bytes(11) + bytes((last,)), payload[begin : begin + size], None)


def _derived(key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, info).derive(key)


def _bytes(text: bytes) -> bytes:
    """Base64 without padding."""
    text = text.strip()
    return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)


def _secret(identity: str) -> bytes:
    """The 32 bytes in a Bech32 text, whose last six signs are a checksum."""
    bits = 0
    for sign in identity.lower().rpartition("1")[2][:-6]:
        bits = bits << 5 | _BECH32.index(sign)
    return (bits >> 4).to_bytes(32)  # 52 signs of 5 bits
