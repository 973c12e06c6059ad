"""Ciphers and their modes: which there are, and which of them a request means.

KMIP 1.4 §3.6, 2.1 §11.5 (Block Cipher Mode). All is pure; InvalidParametersError says what contradicts itself,
UnsupportedError what is not offered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

from kmsd.crypto.errors import (
    CryptographicFailureError,
    InvalidParametersError,
    TagLengthError,
    UnsupportedError,
)
from protocol.enums import BlockCipherMode as Mode
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import PaddingMethod
from protocol.structures import CryptographicParameters

AES_BLOCK = 16
"""Bytes, of AES and of SM4."""


class Cipher(NamedTuple):
    """One algorithm."""

    block: int
    """Bytes."""
    sizes: frozenset[int]
    """Bits of the key material."""
    modes: frozenset[Mode]


CIPHERS: dict[Algorithm, Cipher] = {
    # 512 bits are the two keys of XTS-AES-256 (IEEE 1619), good for nothing else.
    Algorithm.AES: Cipher(
        16,
        frozenset({128, 192, 256, 512}),
        frozenset({Mode.ECB, Mode.CBC, Mode.CTR, Mode.GCM, Mode.CCM, Mode.XTS}),
    ),
    Algorithm.SM4: Cipher(16, frozenset({128}), frozenset({Mode.ECB, Mode.CBC, Mode.CTR, Mode.GCM})),
    Algorithm.DES3: Cipher(8, frozenset({128, 192}), frozenset({Mode.ECB, Mode.CBC})),
    Algorithm.CHACHA20: Cipher(64, frozenset({256}), frozenset()),
    Algorithm.CHACHA20_POLY1305: Cipher(64, frozenset({256}), frozenset({Mode.AEAD})),
}

DES3_SIZES: dict[int, int] = {112: 128, 128: 128, 168: 192, 192: 192}
"""Cryptographic Length of 3DES, with or without the parity bits (KMIP 1.4 §2.1.3), to bits of material."""

DEFAULT_MODES: dict[Algorithm, Mode] = {
    Algorithm.AES: Mode.GCM,
    Algorithm.SM4: Mode.GCM,
    Algorithm.CHACHA20_POLY1305: Mode.AEAD,
}
"""What a request without a mode means."""

AUTHENTICATED = frozenset({Mode.GCM, Mode.CCM, Mode.AEAD})
WHOLE = frozenset({Mode.CCM, Mode.AEAD, Mode.XTS})
"""Modes that work on whole data only."""
WHOLE_BLOCKS = frozenset({Mode.ECB, Mode.CBC})
"""Modes that pad, or take whole blocks."""

_IV_LENGTHS: dict[Mode, int] = {
    Mode.ECB: 0,
    Mode.CBC: AES_BLOCK,
    Mode.CTR: AES_BLOCK,
    Mode.GCM: 12,
    Mode.CCM: 12,
    Mode.XTS: AES_BLOCK,
    Mode.AEAD: 12,
}
_BLOCK_PADDINGS = frozenset({PaddingMethod.NONE, PaddingMethod.PKCS5, PaddingMethod.ANSI_X9_23})


class Authentication(NamedTuple):
    """What an authenticated mode allows: bytes of tags and IVs, and bits of IVs that a client may ask for."""

    tags: frozenset[int]
    ivs: range
    iv_bits: range


_AUTHENTICATION: dict[Mode, Authentication] = {
    # NIST SP 800-38D §5.2.1.2 allows shorter tags for special uses only.
    Mode.GCM: Authentication(frozenset(range(12, 17)), range(8, 129), range(96, 1025, 8)),
    # NIST SP 800-38C §5.4 and appendix B.2: 64 bits at least, unless the risk is weighed.
    Mode.CCM: Authentication(frozenset({8, 10, 12, 14, 16}), range(7, 14), range(56, 105, 8)),
    # RFC 8439 §2.8; the OASIS case CS-BC-M-CHACHA20POLY1305-1 opens with 12 bytes of the tag.
    Mode.AEAD: Authentication(frozenset(range(12, 17)), range(12, 13), range(96, 97)),
}


@dataclass(frozen=True, slots=True)
class CipherScheme:
    """Symmetric encryption: what to do with data, IV and tag."""

    mode: Mode
    """CTR for ChaCha20, which has no mode and is used alike."""
    padding: PaddingMethod
    """NONE, PKCS5 or ANSI_X9_23; only ECB and CBC take another than NONE."""
    tag_length: int
    """Bytes; 0 where the mode does not authenticate."""
    iv_length: int
    """Bytes of an IV that the provider chooses; 0 where the mode takes none."""
    may_choose_iv: bool
    counter: int | None
    """Initial Counter Value: completes an IV that is shorter than a block (CTR)."""
    algorithm: Algorithm = Algorithm.AES

    @property
    def block(self) -> int:
        return CIPHERS[self.algorithm].block

    @property
    def iv_lengths(self) -> range:
        """Bytes of the IVs that are taken."""
        if self.mode in _AUTHENTICATION:
            return _AUTHENTICATION[self.mode].ivs
        return range(self.iv_length, self.iv_length + 1)

    def divided(self, whole: bytes) -> tuple[bytes, bytes]:
        """(data, tag) of data with its tag behind it. Raises CryptographicFailureError where that is too short."""
        end = len(whole) - self.tag_length
        if end < 1:
            raise CryptographicFailureError()
        return whole[:end], whole[end:]


def cipher_scheme(parameters: CryptographicParameters, algorithm: Algorithm | None) -> CipherScheme:
    """Encrypt and Decrypt with a key of this algorithm.

    Omitted Padding Method means none (as the OASIS cases CS-BC-M have it), omitted Tag Length 16 bytes. An IV that
    is neither given nor refused by Random IV = false is chosen by the server.
    """
    return _scheme(algorithm, *_ASKED(parameters))


_ASKED: Callable[[CryptographicParameters], tuple[Any, ...]] = attrgetter(
    "cryptographic_algorithm", "block_cipher_mode", "padding_method", "tag_length", "iv_length", "random_iv",
    "initial_counter_value",
)  # fmt: skip


@lru_cache(maxsize=256)
def _scheme(
    algorithm: Algorithm | None,
    named: Algorithm | None,
    mode: Mode | None,
    asked_padding: PaddingMethod | None,
    tag_length: int | None,
    iv_bits: int | None,
    random_iv: bool | None,
    counter: int | None,
) -> CipherScheme:
    """Kept, since clients ask for the same ones again and again; it is a function of these alone."""
    cipher = CIPHERS.get(algorithm) if algorithm is not None else None
    if algorithm is None or cipher is None:
        raise UnsupportedError("keys of this algorithm do not encrypt here")
    if named not in (None, algorithm):
        raise InvalidParametersError("the Cryptographic Algorithm is not the key's")
    may_choose_iv = random_iv is not False
    if algorithm == Algorithm.CHACHA20:
        if mode is not None:
            raise InvalidParametersError("ChaCha20 takes no Block Cipher Mode")
        return CipherScheme(Mode.CTR, PaddingMethod.NONE, 0, 12, may_choose_iv, counter, algorithm)
    if mode is None:
        raise InvalidParametersError("the Block Cipher Mode is missing")
    if mode not in cipher.modes:
        raise UnsupportedError(f"Block Cipher Mode {mode.name} is not supported for {algorithm.name}")
    padding = asked_padding or PaddingMethod.NONE
    if mode in WHOLE_BLOCKS and padding not in _BLOCK_PADDINGS:
        raise UnsupportedError(f"Padding Method {padding.name} is not supported with {mode.name}")
    iv_length = min(_IV_LENGTHS[mode], cipher.block)
    tag = 0
    if mode in _AUTHENTICATION:
        tag, iv_length = _authentication(mode, tag_length, iv_bits, iv_length)
    return CipherScheme(
        mode,
        padding if mode in WHOLE_BLOCKS else PaddingMethod.NONE,
        tag,
        iv_length,
        may_choose_iv,
        counter,
        algorithm,
    )


def _authentication(mode: Mode, tag_length: int | None, bits: int | None, iv_length: int) -> tuple[int, int]:
    """(Tag Length, IV Length), in bytes; `bits` is the IV Length that is asked for."""
    allowed = _AUTHENTICATION[mode]
    if tag_length is None:
        tag_length = 16
    if tag_length not in allowed.tags:
        raise TagLengthError(f"the Tag Length of {mode.name} is {_either(allowed.tags)} bytes")
    if bits is not None and bits not in allowed.iv_bits:
        first, last = allowed.iv_bits[0], allowed.iv_bits[-1]
        raise InvalidParametersError(f"the IV Length of {mode.name} is {first} to {last} bits, in whole bytes")
    return tag_length, iv_length if bits is None else bits // 8


def _either(values: frozenset[int]) -> str:
    *first, last = map(str, sorted(values))
    return f"{', '.join(first)} or {last}" if first else last


_WRAPPING_NONCE = 12
"""Bytes at least of the nonces that are chosen for wrapped keys: random ones of less come twice too soon."""


def sealing_scheme(
    parameters: CryptographicParameters, algorithm: Algorithm | None, *, makes: bool
) -> CipherScheme | None:
    """Key wrapping with a mode that authenticates, as NIST SP 800-38F §3.1 has it; None where another mode is asked.

    A request for wrapping (`makes`) has no place for a nonce (KMIP 1.4 §2.1.6): it is the server's to choose.
    """
    if parameters.block_cipher_mode not in AUTHENTICATED:
        return None
    scheme = cipher_scheme(parameters, algorithm)
    if makes and not scheme.may_choose_iv:
        raise InvalidParametersError("the IV/Counter/Nonce of a wrapped key is the server's to choose")
    if makes and scheme.iv_length < _WRAPPING_NONCE:
        raise InvalidParametersError(f"the IV/Counter/Nonce of a wrapped key has {_WRAPPING_NONCE} bytes or more")
    return scheme


def wrap_mode(parameters: CryptographicParameters) -> Mode:
    """NIST_KEY_WRAP (RFC 3394) or AES_KEY_WRAP_PADDING (RFC 5649) of NIST SP 800-38F."""
    mode = parameters.block_cipher_mode
    if mode is None:
        raise InvalidParametersError("the Block Cipher Mode is missing")
    if mode not in (Mode.NIST_KEY_WRAP, Mode.AES_KEY_WRAP_PADDING):
        # Nor with a MAC beside it: what is MACed is the Key Value alone (KMIP 1.4 §2.1.5), and so not the IV.
        raise UnsupportedError(f"keys are not wrapped with {mode.name}, which does not authenticate")
    return mode
