"""The methods that both clients have: one row each, typed once.

`client.activate(uid)` sends what `requests.activate(uid)` makes; a Trio client's method is awaited, a synchronous
one's is not. Both give the operation's response, and raise KmipError and ConnectionFailed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, TypeVar, overload

from kmsd.client import requests
from protocol.operations.activate import ActivateResponse
from protocol.operations.add_attribute import AddAttributeResponse
from protocol.operations.check import CheckResponse
from protocol.operations.create import CreateResponse
from protocol.operations.create_key_pair import CreateKeyPairResponse
from protocol.operations.decrypt import DecryptResponse
from protocol.operations.delete_attribute import DeleteAttributeResponse
from protocol.operations.destroy import DestroyResponse
from protocol.operations.discover_versions import DiscoverVersionsResponse
from protocol.operations.encrypt import EncryptResponse
from protocol.operations.get import GetResponse
from protocol.operations.get_attribute_list import GetAttributeListResponse
from protocol.operations.get_attributes import GetAttributesResponse
from protocol.operations.hash import HashResponse
from protocol.operations.locate import LocateResponse
from protocol.operations.mac import MACResponse
from protocol.operations.mac_verify import MACVerifyResponse
from protocol.operations.modify_attribute import ModifyAttributeResponse
from protocol.operations.query import QueryResponse
from protocol.operations.register import RegisterResponse
from protocol.operations.revoke import RevokeResponse
from protocol.operations.rng_retrieve import RNGRetrieveResponse
from protocol.operations.set_attribute import SetAttributeResponse
from protocol.operations.sign import SignResponse
from protocol.operations.signature_verify import SignatureVerifyResponse

if TYPE_CHECKING:
    from kmsd.client.client import Client
    from kmsd.client.sync import SyncClient

P = ParamSpec("P")
R = TypeVar("R")


class Method(Generic[P, R]):
    """One operation as a method of a client: `build` makes the request, `response` is what comes back."""

    def __init__(self, build: Callable[P, Any], response: type[R]) -> None:
        self._build = build
        self.response: Final = response
        self.__doc__ = build.__doc__

    @overload
    def __get__(self, client: Client, owner: type) -> Callable[P, Awaitable[R]]: ...
    @overload
    def __get__(self, client: SyncClient, owner: type) -> Callable[P, R]: ...
    @overload
    def __get__(self, client: None, owner: type) -> Method[P, R]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        if client is None:
            return self

        @wraps(self._build)
        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return client.call(self._build(*args, **kwargs))

        return method


class Operations:
    """What a client can ask of a server."""

    create = Method(requests.create, CreateResponse)
    create_key_pair = Method(requests.create_key_pair, CreateKeyPairResponse)
    register = Method(requests.register, RegisterResponse)
    locate = Method(requests.locate, LocateResponse)
    get = Method(requests.get, GetResponse)
    get_attributes = Method(requests.get_attributes, GetAttributesResponse)
    get_attribute_list = Method(requests.get_attribute_list, GetAttributeListResponse)
    check = Method(requests.check, CheckResponse)
    add_attribute = Method(requests.add_attribute, AddAttributeResponse)
    modify_attribute = Method(requests.modify_attribute, ModifyAttributeResponse)
    set_attribute = Method(requests.set_attribute, SetAttributeResponse)
    delete_attribute = Method(requests.delete_attribute, DeleteAttributeResponse)
    activate = Method(requests.activate, ActivateResponse)
    revoke = Method(requests.revoke, RevokeResponse)
    destroy = Method(requests.destroy, DestroyResponse)
    encrypt = Method(requests.encrypt, EncryptResponse)
    decrypt = Method(requests.decrypt, DecryptResponse)
    sign = Method(requests.sign, SignResponse)
    signature_verify = Method(requests.signature_verify, SignatureVerifyResponse)
    mac = Method(requests.mac, MACResponse)
    mac_verify = Method(requests.mac_verify, MACVerifyResponse)
    hash = Method(requests.hash, HashResponse)
    rng_retrieve = Method(requests.rng_retrieve, RNGRetrieveResponse)
    query = Method(requests.query, QueryResponse)
    discover_versions = Method(requests.discover_versions, DiscoverVersionsResponse)
