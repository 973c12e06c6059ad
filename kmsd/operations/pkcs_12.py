"""Private keys in PKCS#12 containers: KMIP 1.4 §3.45, §4.3, §4.11; 2.1 §4.34, §6.1.19, §6.1.43.

The password of a container is a Secret Data object that the key's PKCS#12 Password Link points to: it must be Active
and for deriving keys, as is done with it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from kmsd.crypto import containers, keyformats
from kmsd.crypto.containers import MOST_CERTIFICATES, Container
from kmsd.domain import rekey
from kmsd.domain.errors import KmsError, invalid_field
from kmsd.domain.objects import ManagedObject
from kmsd.domain.usage import Purpose
from kmsd.operations import addressing, shells
from kmsd.operations.context import LONG, Context
from kmsd.operations.using import export
from protocol.enums import KeyFormatType, LinkType, ObjectType, ResultReason, SecretDataType
from protocol.objects import KeyBlock, KeyValue
from protocol.structures import CryptographicParameters

FRIENDLY_NAME = "PKCS#12 Friendly Name"
DEFAULT_NAME = "alias"
"""Of a key that says no other: 1.4 §3.45."""


async def opened(ctx: Context, key: ManagedObject, block: KeyBlock) -> tuple[KeyBlock, Container]:
    """The Key Block of the private key in a container, as PKCS#8, and the container.

    Raises KmsError: Invalid Field (no container, a wrong password, no Password Link), and as the use of the password.
    """
    value = block.key_value
    data = value.key_material if isinstance(value, KeyValue) else value
    if key.object_type != ObjectType.PRIVATE_KEY or not isinstance(data, bytes):
        raise invalid_field("a PKCS#12 container holds a private key")
    password = await _password(ctx, key)
    name = key.attributes.get(FRIENDLY_NAME)
    found = await ctx.crypto(ctx.tenant.software, containers.open_container, data, password, name, size=LONG)
    plain = KeyBlock(
        key_format_type=KeyFormatType.PKCS_8,
        key_value=KeyValue(key_material=found.private_key),
        cryptographic_algorithm=block.cryptographic_algorithm,
        cryptographic_length=block.cryptographic_length,
    )
    return plain, found


async def container_of(ctx: Context, key: ManagedObject, material: bytes) -> KeyBlock:
    """The Key Block of a private key as a container with its certificates: its Key Value is a Byte String.

    Raises KmsError: Key Format Type Not Supported, and as `opened`.
    """
    if key.object_type != ObjectType.PRIVATE_KEY:
        raise KmsError(ResultReason.KEY_FORMAT_TYPE_NOT_SUPPORTED, "a PKCS#12 container is that of a private key")
    password = await _password(ctx, key)
    kept = (key.material and key.material.format) or KeyFormatType.PKCS_8
    plain = await ctx.crypto(
        ctx.tenant.software, keyformats.convert, key.object_type, material, kept, KeyFormatType.PKCS_8, size=LONG
    )
    chain = [await export(ctx, certificate) async for certificate in _chain(ctx, key)]
    name = key.attributes.get(FRIENDLY_NAME, DEFAULT_NAME)
    data = await ctx.crypto(ctx.tenant.software, containers.make_container, plain, chain, name, password, size=LONG)
    return KeyBlock(key_format_type=KeyFormatType.PKCS_12, key_value=data)


async def _password(ctx: Context, key: ManagedObject) -> bytes:
    found = _linked(key, LinkType.PKCS_12_PASSWORD_LINK)
    if len(found) != 1:
        raise invalid_field("the key has no PKCS#12 Password Link, or several")
    secret = ctx.load(found[0])
    if (
        secret.object_type != ObjectType.SECRET_DATA
        or shells.restore(secret).secret_data_type != SecretDataType.PASSWORD
    ):
        raise invalid_field("the PKCS#12 Password Link points to no password")
    addressing.permit(ctx, secret, Purpose.DERIVE, CryptographicParameters())
    return await export(ctx, secret)


async def _chain(ctx: Context, key: ManagedObject) -> AsyncIterator[ManagedObject]:
    """The key's certificate, that of its issuer and so on, by their links."""
    first = _linked(key, LinkType.PKCS_12_CERTIFICATE_LINK)
    if len(first) > 1:
        raise invalid_field("the key has several certificate chains")
    public = rekey.linked(key, LinkType.PUBLIC_KEY_LINK)
    if not first and public is not None:
        first = _linked(ctx.load(public), LinkType.CERTIFICATE_LINK)[:1]
    following = first[0] if first else None
    seen: set[str] = set()
    while following is not None and following not in seen:
        seen.add(following)
        if len(seen) > MOST_CERTIFICATES:
            raise invalid_field(f"the chain has more than {MOST_CERTIFICATES} certificates")
        certificate = ctx.load(following)
        if certificate.object_type != ObjectType.CERTIFICATE:
            raise invalid_field("a certificate link points to something else")
        yield certificate
        following = rekey.linked(certificate, LinkType.PKCS_12_CERTIFICATE_LINK) or rekey.linked(
            certificate, LinkType.CERTIFICATE_LINK
        )


def _linked(key: ManagedObject, link_type: LinkType) -> list[str]:
    return [
        link.linked_object_identifier
        for link in key.attributes.values("Link")
        if link.link_type == link_type and isinstance(link.linked_object_identifier, str)
    ]
