"""Schemes that are kept, and padding, against what is worked out anew and cryptography's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import padding as paddings

from kmsd.crypto import symmetric
from kmsd.crypto.ciphers import cipher_scheme
from kmsd.crypto.errors import CryptoError, CryptographicFailureError, InvalidParametersError
from protocol.enums import BlockCipherMode as Mode
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import PaddingMethod
from protocol.structures import CryptographicParameters as Parameters

ASKED = Parameters(block_cipher_mode=Mode.GCM, random_iv=True, tag_length=16)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("block_cipher_mode", Mode.CTR),
        ("tag_length", 12),
        ("iv_length", 128),
        ("random_iv", False),
        ("initial_counter_value", 7),
    ],
)
def test_a_scheme_is_that_of_all_the_parameters(field: str, value: Any) -> None:
    before = cipher_scheme(ASKED, Algorithm.AES)
    other = cipher_scheme(replace(ASKED, **{field: value}), Algorithm.AES)
    assert other != before
    assert cipher_scheme(replace(ASKED), Algorithm.AES) == before
    assert cipher_scheme(ASKED, Algorithm.SM4).algorithm == Algorithm.SM4


@pytest.mark.parametrize("change", [{"tag_length": 3}, {"iv_length": 7}, {"cryptographic_algorithm": Algorithm.SM4}])
def test_what_is_refused_is_refused_again(change: dict[str, Any]) -> None:
    said = []
    for _ in range(2):
        with pytest.raises(CryptoError) as caught:
            cipher_scheme(replace(ASKED, **change), Algorithm.AES)
        said.append((type(caught.value), str(caught.value)))
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("method", "known"), [(PaddingMethod.PKCS5, paddings.PKCS7), (PaddingMethod.ANSI_X9_23, paddings.ANSIX923)]
)
@pytest.mark.parametrize(("algorithm", "block"), [(Algorithm.AES, 16), (Algorithm.SM4, 16), (Algorithm.DES3, 8)])
def test_padding_is_the_libraries_own(method: PaddingMethod, known: Any, algorithm: Algorithm, block: int) -> None:
    scheme = cipher_scheme(Parameters(block_cipher_mode=Mode.CBC, padding_method=method), algorithm)
    for size in range(2 * block + 1):
        data = bytes(range(size))
        padder = known(block * 8).padder()
        padded = symmetric.pad(scheme, data)
        assert padded == padder.update(data) + padder.finalize()
        assert symmetric.unpad(scheme, padded) == data
    with pytest.raises(CryptographicFailureError):
        symmetric.unpad(scheme, bytes(block))


@pytest.mark.parametrize(("mode", "whole"), [(Mode.CBC, True), (Mode.ECB, True), (Mode.CTR, False)])
def test_without_padding_nothing_is_added(mode: Mode, whole: bool) -> None:
    scheme = cipher_scheme(Parameters(block_cipher_mode=mode), Algorithm.AES)
    assert symmetric.pad(scheme, bytes(32)) == symmetric.unpad(scheme, bytes(32)) == bytes(32)
    if whole:
        with pytest.raises(InvalidParametersError):
            symmetric.pad(scheme, bytes(33))
    else:
        assert symmetric.pad(scheme, bytes(33)) == bytes(33)
