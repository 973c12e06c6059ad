"""A key that leaves one tenant wrapped and MACed and comes back, by the typed client, over TLS."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC

from kmsd.client import KmipError
from protocol.attributes import Attribute
from protocol.enums import BlockCipherMode, CryptographicAlgorithm, EncodingOption, KeyFormatType, WrappingMethod
from protocol.enums import CryptographicUsageMask as Mask
from protocol.objects import (
    EncryptionKeyInformation,
    KeyBlock,
    KeyValue,
    KeyWrappingSpecification,
    MACSignatureKeyInformation,
    SymmetricKey,
)
from protocol.structures import CryptographicParameters
from protocol.versions import V1_4, V2_1, ProtocolVersion
from tests.client.conftest import Drive, of
from tests.daemon import Daemon

KEK, MAC_KEY = bytes(range(32)), bytes(range(100, 132))
ACTIVE = Attribute("Activation Date", 1)


def raw(material: bytes, algorithm: CryptographicAlgorithm) -> SymmetricKey:
    return SymmetricKey(
        key_block=KeyBlock(
            key_format_type=KeyFormatType.RAW,
            key_value=KeyValue(key_material=material),
            cryptographic_algorithm=algorithm,
            cryptographic_length=256,
        )
    )


@pytest.mark.parametrize("version", [V1_4, V2_1], ids=str)
async def test_a_key_goes_and_comes_under_gcm_and_a_mac(
    drive: Drive, software_daemon: Daemon, version: ProtocolVersion
) -> None:
    client = drive(**of(software_daemon), version=version)
    kek = await client(
        "register",
        raw(KEK, CryptographicAlgorithm.AES),
        Mask.WRAP_KEY | Mask.UNWRAP_KEY,
        name=Daemon.fresh_name(),
        attributes=[ACTIVE],
    )
    mac = await client(
        "register",
        raw(MAC_KEY, CryptographicAlgorithm.HMAC_SHA256),
        Mask.MAC_GENERATE | Mask.MAC_VERIFY,
        name=Daemon.fresh_name(),
        attributes=[ACTIVE],
    )
    key = (await client("create", name=Daemon.fresh_name())).unique_identifier
    plain = (await client("get", key)).managed_object.key_block.key_value.key_material
    specification = KeyWrappingSpecification(
        wrapping_method=WrappingMethod.ENCRYPT_THEN_MAC_SIGN,
        encryption_key_information=EncryptionKeyInformation(
            unique_identifier=kek.unique_identifier,
            cryptographic_parameters=CryptographicParameters(block_cipher_mode=BlockCipherMode.GCM),
        ),
        mac_signature_key_information=MACSignatureKeyInformation(unique_identifier=mac.unique_identifier),
        encoding_option=EncodingOption.NO_ENCODING,
    )
    wire = (await client("get", key, key_wrapping_specification=specification)).managed_object
    value, data = wire.key_block.key_value, wire.key_block.key_wrapping_data
    context = HMAC(MAC_KEY, hashes.SHA256())
    context.update(value)
    context.verify(data.mac_signature)
    assert AESGCM(KEK).decrypt(data.iv_counter_nonce, value, None) == plain
    back = await client("register", wire, Mask.ENCRYPT, name=Daemon.fresh_name())
    found = (await client("get", back.unique_identifier)).managed_object
    assert found.key_block.key_value.key_material == plain
    forged = replace(data, mac_signature=bytes(32))
    wrong = replace(wire, key_block=replace(wire.key_block, key_wrapping_data=forged))
    with pytest.raises(KmipError, match="cryptographic failure"):
        await client("register", wrong, Mask.ENCRYPT, name=Daemon.fresh_name())
