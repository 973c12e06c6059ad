"""What each kind of mistake is called, and where: nothing is guessed, and all are told at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import MINIMAL

MistakesOf = Callable[[str], list[str]]

LINES = MINIMAL.count("\n")

TEXT = "expected text; put it in quotes"
NUMBER = "expected a whole number"
TRUTH = "expected true or false"
OPTIONS = "expected a mapping of options to values"
NAMES = "expected a mapping of names to values"
LIST = "expected a list"
NAME = (
    "a name starts with a letter or digit, goes on with letters, digits, '.', '_' and '-', "
    "and has at most 63 characters"
)
DURATION = "expected a duration with its unit: 500ms, 10s, 30m, 1h, 7d"
MECHANISMS = (
    "'SM4', 'SM4_KEY_GEN', 'SM4_ECB', 'SM4_CBC', 'SM4_CTR', 'SM4_GCM', "
    "'SM2', 'SM2_KEY_PAIR_GEN', 'SM2_SIGN', 'SM2_SIGN_MESSAGE' or 'SM2_DECRYPT'"
)
APP = "clients: {app: {certificate: {common_name: app}, %s}}"


@pytest.mark.parametrize(
    ("tenant", "mistakes"),
    [
        ("5", [f": {OPTIONS}"]),
        ("[]", [f": {OPTIONS}"]),
        ("{interop: 1}", [f".interop: {TRUTH}"]),
        ("{interop: 'true'}", [f".interop: {TRUTH}"]),
        ("{quotas: {objects: '5'}}", [f".quotas.objects: {NUMBER}"]),
        ("{quotas: {objects: true}}", [f".quotas.objects: {NUMBER}"]),
        ("{quotas: {objects: -1}}", [".quotas.objects: must be at least 0"]),
        ("{quotas: {object: 1, objects: x}}", [f".quotas.objects: {NUMBER}", ".quotas.object: unknown option"]),
        ("{quotas: null}", [f".quotas: {OPTIONS}"]),
        ("{roles: []}", [f".roles: {NAMES}"]),
        ("{roles: {all: {}}}", [f".roles.all: {LIST}"]),
        ("{roles: {all: []}}", [".roles.all: at least one needed"]),
        (
            "{roles: {all: [5, {own: 5}]}}",
            [
                f".roles.all[0]: {OPTIONS}",
                ".roles.all[1].operations: required, but not given",
                f".roles.all[1].own: {TRUTH}",
            ],
        ),
        ("{roles: {'a b': [5]}}", [f".roles.a b: {NAME}", f".roles.a b[0]: {OPTIONS}"]),
        (
            "{roles: {all: [{operations: Get, names: [5]}]}}",
            [
                f".roles.all[0].operations: {LIST}",
                f".roles.all[0].names[0]: {TEXT}",
            ],
        ),
        (
            # What is left empty is not all there is.
            "{roles: {all: [{operations: , object_types: , names: }]}}",
            [
                f'.roles.all[0].{option}: expected a list, or "*" for all'
                for option in ("operations", "object_types", "names")
            ],
        ),
        (
            "{roles: {all: [{operations: [5, Gett]}]}}",
            [
                ".roles.all[0].operations[0]: expected the name of a KMIP Operation",
                ".roles.all[0].operations[1]: 'Gett' is no KMIP Operation, did you mean Get?",
            ],
        ),
        ("{clients: {app: {}}}", [".clients.app.certificate: required, but not given"]),
        (f"{{{APP % 'roles: x'}}}", [f".clients.app.roles: {LIST}"]),
        (f"{{{APP % 'users: {fred: {roles: []}}'}}}", [".clients.app.users.fred: a user has a password or a device"]),
        (
            f"{{{APP % 'users: {fred: {device: {}, roles: []}}'}}}",
            [".clients.app.users.fred.device: give at least one field that identifies the device"],
        ),
        (
            f"{{{APP % 'username: me, device: {media_identifier: m}'}}}",
            [".clients.app: give a password or a device, not both"],
        ),
        (
            "{algorithms: {AES: 256, AESS: '*'}}",
            [
                '.algorithms.AES: expected a list of lengths in bits, ranges ("128-1024") or curves, or "*"',
                ".algorithms.AESS: 'AESS' is no KMIP Cryptographic Algorithm, did you mean AES?",
            ],
        ),
        (
            "{legacy_encryption: [AES]}",
            [".legacy_encryption[0]: AES: of what is offered, only DES3 needs leave to encrypt"],
        ),
        (
            "{keeping: memory, default_protection: hsm}",
            [
                ".default_protection: expected SOFTWARE or HSM",
                ".keeping: expected wrapped or resident",
            ],
        ),
        ("{keys: {k: {algorithm: AES, length: 7, usage: [Encrypt]}}}", [".keys.k.length: must be at least 8"]),
        (
            "{keys: {k: {algorithm: AES, length: 16385, usage: []}}}",
            [
                ".keys.k.length: must be at most 16384",
                ".keys.k.usage: expected a list of usages, such as [Encrypt, Decrypt]",
            ],
        ),
        (
            "{key_service: {destroy: never, longest_window: 3661, shortest_rotation: 5}}",
            [
                f".key_service.shortest_rotation: {DURATION}",
                ".key_service.longest_window: must be at most 3660",
                ".key_service.destroy: expected 'refuse' or 'schedule'",
            ],
        ),
        (
            "{cmks: {a: {spec: 5, origin: x, tags: {a: 5}, rotation: soon, deletion_protection: 1}}}",
            [
                ".cmks.a.spec: Input should be an instance of KeySpec",
                ".cmks.a.origin: expected KMSD or EXTERNAL",
                f".cmks.a.rotation: {DURATION}",
                f".cmks.a.deletion_protection: {TRUTH}",
                f".cmks.a.tags.a: {TEXT}",
            ],
        ),
        (
            "{certificate_authority: {certificate: 5, subject: x, validity: 0s}}",
            [
                ".certificate_authority.private_key: required, but not given",
                f".certificate_authority.certificate: {TEXT}",
                '.certificate_authority.subject: expected a distinguished name, such as "CN=Issuing CA,O=Example"',
                ".certificate_authority.validity: must be at least 1",
            ],
        ),
    ],
)
def test_mistakes_of_a_tenant(mistakes_of: MistakesOf, tenant: str, mistakes: list[str]) -> None:
    assert mistakes_of(f"{MINIMAL}tenants:\n  t: {tenant}\n") == [
        f"{LINES + 2}: tenants.t{mistake}" for mistake in mistakes
    ]


@pytest.mark.parametrize(
    ("written", "instead", "mistakes"),
    [
        ("host: 127.0.0.1", "host: ''", ["2: listeners[0].host: must not be empty"]),
        ("host: 127.0.0.1", "{host: a, protocol: http}", ["2: listeners[0].protocol: expected 'ttlv' or 'https'"]),
        ("  - host: 127.0.0.1", "  host: 127.0.0.1", [f"1: listeners: {LIST}"]),
        ("token: demo", f"token: {'x' * 33}", ["15: hsms.main.token: at most 32 characters"]),
        ("sqlite: kmsd.db", "sqlite: 5", ["8: store.sqlite: Input should be an instance of Path"]),
        ("sqlite: kmsd.db", "sqlite: ''", ["8: store.sqlite: expected the path of a file"]),
        ("token: demo", "token: demo\n    inline: always", ["16: hsms.main.inline: expected 'auto' or 'never'"]),
        (
            "token: demo",
            "token: demo\n    environment: {a: 5, SOFT: x}",
            [
                "16: hsms.main.environment.a: expected the name of an environment variable, such as SOFTHSM2_CONF",
                f"16: hsms.main.environment.a: {TEXT}",
            ],
        ),
        (
            "token: demo",
            "token: demo\n    mechanisms: {SM4: x, SM5: 1, SM4_ECB: 0x100000000}",
            [
                f"16: hsms.main.mechanisms.SM4: {NUMBER}",
                f"16: hsms.main.mechanisms.SM5: expected {MECHANISMS}",
                f"16: hsms.main.mechanisms.SM4_ECB: {NUMBER}",
            ],
        ),
        (
            "token: demo",
            "token: demo\n    mechanisms: {SM4: 1}",
            ["13: hsms.main: mechanisms: SM4 takes its key type, SM4_KEY_GEN and at least one mode"],
        ),
        (
            "store:",
            "limits: {frame_size: 1023, idle_timeout: 0s, keepalive: 500ms}\nstore:",
            [
                "7: limits.frame_size: must be at least 1024",
                "7: limits.idle_timeout: must be more than 0",
                "7: limits.keepalive: must be at least 1",
            ],
        ),
    ],
)
def test_mistakes_outside_tenants(mistakes_of: MistakesOf, written: str, instead: str, mistakes: list[str]) -> None:
    assert mistakes_of(MINIMAL.replace(written, instead)) == mistakes


@pytest.mark.parametrize(
    ("tenant", "mistakes"),
    [
        (
            """{key_service: {shortest_rotation: 9d, longest_rotation: 8d, destroy_window: 6, cmks: x},
            cmks: {a: {rotation: 7d}}}""",
            [
                f".key_service.cmks: {NUMBER}",
                ".key_service: shortest_rotation is longer than longest_rotation",
                ".key_service: expected shortest_window, destroy_window and longest_window in rising order",
            ],
        ),
        (
            "{keys: {k: {algorithm: EC, usage: [Sign, Fly, Flow]}}}",
            [
                ".keys.k.usage[1]: 'Fly' is no KMIP Cryptographic Usage",
                ".keys.k.usage[2]: 'Flow' is no KMIP Cryptographic Usage",
                ".keys.k: a key of this algorithm has a curve, and no length beside it",
            ],
        ),
        (
            "{keys: {k: {algorithm: AES, length: long, curve: P_224, usage: 5}}}",
            [
                f".keys.k.length: {NUMBER}",
                ".keys.k.usage: expected a list of usages, such as [Encrypt, Decrypt]",
                ".keys.k: a key of this algorithm has a length, and no curve",
                ".keys.k: keys on this curve are not offered",
            ],
        ),
        (
            """{algorithms: {RSA: [2048], AES: [5, 256, 100-200]}, keys: {a: {algorithm: AES, length: 128, usage: []},
            b: {algorithm: EC, curve: P_256, usage: [Sign], color: red},
            r: {algorithm: RSA, length: 3072, usage: []}, r-public: 5}}""",
            [
                ".algorithms.AES[0]: 5: expected a length between 8 and 16384 bits",
                ".algorithms.AES[2]: 100-200: expected a rising range of multiples of 8 bits",
                ".keys.a.usage: expected a list of usages, such as [Encrypt, Decrypt]",
                ".keys.b.color: unknown option",
                ".keys.r.usage: expected a list of usages, such as [Encrypt, Decrypt]",
                f".keys.r-public: {OPTIONS}",
                ".keys.b.algorithm: the tenant's algorithms do not list it",
                ".keys.r-public: the public key of 'r' has this name",
                ".keys.r.length: the tenant's algorithms do not allow it",
            ],
        ),
        (
            # Which algorithm is meant is not known: it may be that of the key.
            "{algorithms: {AESS: '*'}, keys: {k: {algorithm: AES, length: 256, usage: [Encrypt]}}}",
            [".algorithms.AESS: 'AESS' is no KMIP Cryptographic Algorithm, did you mean AES?"],
        ),
        (
            """{clients: {app: {certificate: {common_name: app, san: x}, roles: 5, device: {color: red}, password: x,
            users: {fred: {roles: 5}}, listener: {host: '', ca: [ca.pem], private_key: x}}}}""",
            [
                ".clients.app.password: expected a PHC string of Argon2id or scrypt: `kmsd hash-password` makes one",
                ".clients.app.device.color: unknown option",
                ".clients.app.device: give at least one field that identifies the device",
                ".clients.app.certificate.san: expected DNS:name, email:address, URI:uri or IP:address",
                ".clients.app.certificate: give exactly one of common_name, san, sha256",
                f".clients.app.roles: {LIST}",
                f".clients.app.users.fred.roles: {LIST}",
                ".clients.app.users.fred: a user has a password or a device",
                ".clients.app.listener.host: must not be empty",
                ".clients.app.listener.private_key: DIR/x: No such file or directory",
                ".clients.app.listener: certificate and private_key go together",
                ".clients.app: give a password or a device, not both",
            ],
        ),
        (
            """{quotas: 5, legacy_encryption: [DES3], key_service: {cmks: x, shortest_rotation: 9d}, cmks: {
            a: {usage: SIGN/VERIFY, tags: {'acs:x': y}, rotation: 8d, origin: 5},
            b: {rotation: 8d, description: 5, aliases: [a, b, c]}, d: 5,
            c: {spec: RSA_2048, rotation: 30d, description: '%s'}}}"""
            % ("x" * 8193),
            [
                f".quotas: {OPTIONS}",
                f".key_service.cmks: {NUMBER}",
                ".cmks.a.origin: expected KMSD or EXTERNAL",
                ".cmks.a: the usage of AES_256 is ENCRYPT/DECRYPT",
                (
                    ".cmks.a: the key of a tag has 1 to 128 letters, digits, blanks and / \\ _ - . + = : @, "
                    "and does not begin with aliyun or acs:"
                ),
                f".cmks.b.description: {TEXT}",
                f".cmks.d: {OPTIONS}",
                ".cmks.c: a description has at most 8192 characters",
                ".legacy_encryption[0]: DES3 is not in `algorithms`",
                ".cmks.b: the rotation interval is 9 to 730 days",
                ".cmks.c: only symmetric keys that were made here are rotated by themselves",
                ".cmks.b.aliases[0]: alias/a is declared for a as well",
                ".cmks.c: alias/c is declared for b as well",
            ],
        ),
    ],
)
def test_a_mistake_hides_no_other_that_does_not_depend_on_it(
    mistakes_of: MistakesOf, tenant: str, mistakes: list[str]
) -> None:
    written = " ".join(tenant.split())
    assert mistakes_of(f"{MINIMAL}tenants:\n  t: {written}\n") == [
        f"{LINES + 2}: tenants.t{mistake}" for mistake in mistakes
    ]


def test_a_mistake_outside_tenants_hides_no_other_either(mistakes_of: MistakesOf, directory: Path) -> None:
    (directory / "server.pem").write_bytes((directory / "ca.pem").read_bytes())
    more = "token: demo\n    sessions: 0\n    mechanisms: {SM4: 1, SM2: 2}"
    pair, *others = mistakes_of(MINIMAL.replace("[ca.pem]", "[]").replace("token: demo", more))
    assert pair.startswith("3: tls: certificate and private_key do not fit together: ")
    assert others == [
        "6: tls.client_ca: at least one needed",
        "13: hsms.main: mechanisms: SM4 takes its key type, SM4_KEY_GEN and at least one mode",
        (
            "13: hsms.main: mechanisms: SM2 takes its key type, SM2_KEY_PAIR_GEN and "
            "at least one of SM2_SIGN, SM2_SIGN_MESSAGE and SM2_DECRYPT"
        ),
        "16: hsms.main.sessions: must be at least 1",
    ]


def test_no_mistake_repeats_what_stands_there(mistakes_of: MistakesOf) -> None:
    """A secret may be anywhere by mistake; names of KMIP are repeated, where only names are expected."""
    secret = "hunter2"
    places = [
        f"interop: {secret}",
        f"quotas: {{objects: {secret}}}",
        f"roles: {secret}",
        f"key_service: {{destroy: {secret}, shortest_rotation: {secret}}}",
        f"clients: {{app: {{certificate: {{common_name: app}}, password: {secret}, device: {secret}}}}}",
        f"keeping: {secret}",
    ]
    mistakes = mistakes_of(f"{MINIMAL}tenants:\n  t: {{{', '.join(places)}}}\n")
    assert len(mistakes) == 9
    assert secret not in "".join(mistakes)
