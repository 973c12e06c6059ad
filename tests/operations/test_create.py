from __future__ import annotations

from protocol.attributes import Attribute, Template
from protocol.enums import *  # noqa: F403
from protocol.operations.activate import ActivateRequest
from protocol.operations.create import CreateRequest
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.get import GetRequest
from protocol.operations.get_attributes import GetAttributesRequest
from protocol.operations.query import QueryRequest
from protocol.versions import SUPPORTED


async def test_create(app):
    for v in SUPPORTED:
        a = app.at(v)
        r = await a.call(
            CreateRequest(
                object_type=ObjectType.SYMMETRIC_KEY,
                attributes=Template(
                    attributes=(
                        Attribute("Cryptographic Algorithm", CryptographicAlgorithm.AES),
                        Attribute("Cryptographic Length", 256),
                        Attribute(
                            "Cryptographic Usage Mask", CryptographicUsageMask.ENCRYPT | CryptographicUsageMask.DECRYPT
                        ),
                    )
                ),
            )
        )
        print(r)
        print(await a.call(GetRequest(unique_identifier=r.unique_identifier)))
        await a.call(ActivateRequest(unique_identifier=r.unique_identifier))
        if v >= (1, 2):
            e = await a.call(EncryptRequest(unique_identifier=r.unique_identifier, data=b"hello"))
            print(e)
        print(await a.call(GetAttributesRequest(unique_identifier=r.unique_identifier)))
        print(await a.call(QueryRequest(query_functions=tuple(f for f in QueryFunction if since(f) <= v))))
