"""What each operation does. One row here, one in protocol.operations.OPERATIONS; a test holds the names equal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from kmsd.operations import (
    activate,
    add_attribute,
    check,
    create,
    create_key_pair,
    create_split_key,
    decrypt,
    delete_attribute,
    destroy,
    discover_versions,
    encrypt,
    get,
    get_attribute_list,
    get_attributes,
    join_split_key,
    locate,
    mac,
    mac_verify,
    modify_attribute,
    query,
    re_key,
    re_key_key_pair,
    register,
    revoke,
    rng_retrieve,
    set_attribute,
    sign,
    signature_verify,
)
from kmsd.operations import (
    hash as hash_,
)
from protocol.enums import Operation

Handler = Callable[[Any, Any], Awaitable[Any]]
"""(Context, request payload) -> response payload, or KmsError."""

HANDLERS: Mapping[Operation, Handler] = {
    Operation.CREATE: create.handle,
    Operation.CREATE_KEY_PAIR: create_key_pair.handle,
    Operation.REGISTER: register.handle,
    Operation.RE_KEY: re_key.handle,
    Operation.RE_KEY_KEY_PAIR: re_key_key_pair.handle,
    Operation.LOCATE: locate.handle,
    Operation.CHECK: check.handle,
    Operation.GET: get.handle,
    Operation.GET_ATTRIBUTES: get_attributes.handle,
    Operation.GET_ATTRIBUTE_LIST: get_attribute_list.handle,
    Operation.ADD_ATTRIBUTE: add_attribute.handle,
    Operation.MODIFY_ATTRIBUTE: modify_attribute.handle,
    Operation.SET_ATTRIBUTE: set_attribute.handle,
    Operation.DELETE_ATTRIBUTE: delete_attribute.handle,
    Operation.ACTIVATE: activate.handle,
    Operation.REVOKE: revoke.handle,
    Operation.DESTROY: destroy.handle,
    Operation.QUERY: query.handle,
    Operation.DISCOVER_VERSIONS: discover_versions.handle,
    Operation.ENCRYPT: encrypt.handle,
    Operation.DECRYPT: decrypt.handle,
    Operation.SIGN: sign.handle,
    Operation.SIGNATURE_VERIFY: signature_verify.handle,
    Operation.MAC: mac.handle,
    Operation.MAC_VERIFY: mac_verify.handle,
    Operation.RNG_RETRIEVE: rng_retrieve.handle,
    Operation.HASH: hash_.handle,
    Operation.CREATE_SPLIT_KEY: create_split_key.handle,
    Operation.JOIN_SPLIT_KEY: join_split_key.handle,
}
