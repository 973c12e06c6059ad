"""What a client of the tests of authorisation has: one object of each kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocol.attributes import Attribute, Template
from protocol.enums import (
    BlockCipherMode,
    CryptographicAlgorithm,
    HashingAlgorithm,
    RecommendedCurve,
    UsageLimitsUnit,
)
from protocol.enums import CryptographicUsageMask as Mask
from protocol.operations.add_attribute import AddAttributeRequest
from protocol.operations.archive import ArchiveRequest
from protocol.operations.certify import CertifyRequest
from protocol.operations.create_cmk import CreateCMKRequest
from protocol.operations.kms_encrypt import KMSEncryptRequest
from protocol.operations.schedule_deletion import ScheduleDeletionRequest
from protocol.structures import CryptographicParameters, UsageLimits
from tests.operations.conftest import NOW, Caller
from tests.operations.requests import activate, create, name, pair, register
from tests.operations.test_adjust_attribute import custom
from tests.operations.test_certify import csr, p_256, registered_request
from tests.operations.test_create_split_key import split
from tests.operations.test_derive_key import secret

MATERIAL = bytes(range(32))
ACTIVE = Attribute("Activation Date", NOW - 1)
LIMITS = Attribute("Usage Limits", UsageLimits(usage_limits_total=1000, usage_limits_unit=UsageLimitsUnit.OBJECT))
EVERY_USE = (
    Mask.ENCRYPT
    | Mask.DECRYPT
    | Mask.WRAP_KEY
    | Mask.UNWRAP_KEY
    | Mask.DERIVE_KEY
    | Mask.MAC_GENERATE
    | Mask.MAC_VERIFY
)
ECB = CryptographicParameters(block_cipher_mode=BlockCipherMode.ECB)
HMAC = CryptographicParameters(hashing_algorithm=HashingAlgorithm.SHA_256)
CONTACT = Attribute("Contact Information", "somebody")
P_256 = pair(CryptographicAlgorithm.ECDSA, None, RecommendedCurve.P_256)

Objects = Mapping[str, str]
"""What a client has of each kind, by Unique Identifier; "prefix" is what its names begin with."""


async def objects(app: Caller, prefix: str) -> dict[str, str]:
    """One object of each kind, made by a client that may; `app` speaks 2.x."""

    async def one(request: Any) -> str:
        return str((await app.call(request)).unique_identifier)

    def named(kind: str) -> Attribute:
        return name(f"{prefix}-{kind}")

    common = (ACTIVE, CONTACT, custom(1))
    made = {
        "prefix": prefix,
        "key": await one(register(MATERIAL, named("key"), LIMITS, *common, usage=EVERY_USE)),
        "second": await one(register(MATERIAL[::-1], named("second"), ACTIVE, usage=EVERY_USE)),
        "fresh": await one(create(named("fresh"))),
        "archived": await one(create(named("archived"))),
        "secret": await one(secret(b"derivation data")),
        "hmac": await one(
            create(
                named("hmac"),
                ACTIVE,
                algorithm=CryptographicAlgorithm.HMAC_SHA256,
                usage=Mask.MAC_GENERATE | Mask.MAC_VERIFY,
            )
        ),
        "request": await registered_request(app, csr(p_256())),
    }
    await app.call(ArchiveRequest(unique_identifier=made["archived"]))
    both = await app.call(P_256)
    made["private"], made["public"] = both.private_key_unique_identifier, both.public_key_unique_identifier
    made["certificate"] = await one(
        CertifyRequest(
            unique_identifier=made["request"], attributes=Template(attributes=(named("certificate"), ACTIVE))
        )
    )
    parts = (await app.call(split(made["second"]))).unique_identifiers
    made["part"], made["part 2"] = parts[:2]
    for kind in ("secret", "request", "private", "public", "part", "part 2"):
        await app.call(AddAttributeRequest(unique_identifier=made[kind], new_attribute=named(kind)))
    for kind in ("private", "public"):
        await app.call(activate(made[kind]))
    for kind in ("cmk", "cmk 2", "going"):
        asked = CreateCMKRequest(alias_names=(f"alias/{prefix}-{kind.replace(' ', '-')}",))
        made[kind] = (await app.call(asked)).metadata.unique_identifier
    outside = CreateCMKRequest(alias_names=(f"alias/{prefix}-waiting",), key_origin="EXTERNAL")
    made["waiting"] = (await app.call(outside)).metadata.unique_identifier
    await app.call(ScheduleDeletionRequest(unique_identifier=made["going"], pending_window_days=7))
    made["alias"] = f"alias/{prefix}-cmk"
    sealed = await app.call(KMSEncryptRequest(unique_identifier=made["key"], data=b"data"))
    return {**made, "blob": sealed.ciphertext_blob.hex()}
