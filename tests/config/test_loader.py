from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from kmsd.config.loader import load
from kmsd.config.settings import Settings
from kmsd.config.source import ConfigurationError

from .conftest import MINIMAL

SettingsOf = Callable[[str], Settings]
MistakesOf = Callable[[str], list[str]]

LINES = MINIMAL.count("\n")


def test_a_minimal_configuration_has_safe_defaults(settings_of: SettingsOf, directory: Path) -> None:
    settings = settings_of(MINIMAL)
    assert settings.listeners[0].port == 5696
    assert settings.tls.certificate == directory / "server.pem"
    assert settings.tls.minimum_version == "1.2"
    assert settings.limits.frame_size == 1 << 20
    assert settings.store.sqlite == directory / "kmsd.db"
    assert settings.hsms["main"].inline == "auto"
    assert settings.tenants == {}


def test_every_mistake_is_reported_at_once_in_the_order_of_the_file(mistakes_of: MistakesOf) -> None:
    text = """\
listeners:
  - host: 127.0.0.1
    port: 70000
tls:
  certificate: missing.pem
  private_key: server.key
  client_ca: []
limits:
  frame_size: 1MB
  idle_timeout: 10
  idle_tiemout: 10s
store: {}
credentials:
  directory: credentials
software_root: {credential: roots-key}
hsms:
  main: {module: missing.so, token: 1234, pin: {credential: hsm-pin}, sessions: 012}
tenants:
  acme:
    root: mian
    default_protection: HSMM
    roles:
      admin:
        - operations: [CreateKeyPai, Get]
    clients:
      app: {certificate: {common_name: app}, roles: [admni]}
      two: {certificate: {common_name: app}, roles: [admin]}
    keys:
      data: {algorithm: AES, length: 257, usage: [Encrypt]}
"""
    assert mistakes_of(text) == [
        "3: listeners[0].port: must be at most 65535",
        "5: tls.certificate: DIR/missing.pem: no such file",
        "7: tls.client_ca: at least one needed",
        "9: limits.frame_size: expected a size: 65536, 64KiB, 1MiB, 1GiB",
        "10: limits.idle_timeout: expected a duration with its unit: 500ms, 10s, 30m, 1h, 7d",
        "11: limits.idle_tiemout: unknown option",
        "12: store.sqlite: required, but not given",
        "15: software_root: unknown credential 'roots-key': no file DIR/credentials/roots-key",
        "17: hsms.main.module: DIR/missing.so: no such file",
        "17: hsms.main.token: expected text; put it in quotes",
        "17: hsms.main.sessions: expected a whole number",
        "20: tenants.acme.root: no HSM 'mian' is declared, did you mean main?",
        "21: tenants.acme.default_protection: expected SOFTWARE or HSM",
        (
            "24: tenants.acme.roles.admin[0].operations[0]: "
            "'CreateKeyPai' is no KMIP Operation, did you mean CreateKeyPair?"
        ),
        "26: tenants.acme.clients.app.roles[0]: the tenant has no role 'admni', did you mean admin?",
        "27: tenants.acme.clients.two.certificate: client acme.app already has this certificate",
        "29: tenants.acme.keys.data.length: the tenant's algorithms do not allow it",
    ]


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "012", "22:22", "1_000", "0x10", "1e3", "2026-01-01"])
def test_yaml_1_1_guesses_are_plain_text_here(settings_of: SettingsOf, word: str) -> None:
    settings = settings_of(MINIMAL.replace("token: demo", f"token: {word}"))
    assert settings.hsms["main"].token == word


def test_a_key_given_twice_is_refused_with_both_lines(mistakes_of: MistakesOf) -> None:
    assert mistakes_of(MINIMAL + "store: {sqlite: other.db}\n") == [f"{LINES + 1}: store: given twice, first on line 7"]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "1: expected a mapping: listeners, tls, store, tenants, ..."),
        ("- a\n", "1: expected a mapping: listeners, tls, store, tenants, ..."),
        ("a: [\n", "2: not YAML: did not find expected node content"),
        ("a: &x [*x]\n", "1: too large or too deep, with all aliases followed"),
        ("a: " + "[" * 990 + "]" * 990, "1: too large or too deep, with all aliases followed"),
        ("a: " + "[" * 5000, "1: not YAML: exceeded maximum nesting depth"),
        ("a: *nothing\n", "1: not YAML: found undefined alias"),
        ("a: \0\n", "1: not YAML: unacceptable character #x0000: control characters are not allowed"),
    ],
)
def test_text_that_is_no_tree_of_options_is_refused(mistakes_of: MistakesOf, text: str, mistake: str) -> None:
    assert mistakes_of(text) == [mistake]


def test_bytes_that_are_no_text_are_refused(directory: Path) -> None:
    (directory / "kmsd.yaml").write_bytes(b"a: \xff\n")
    with pytest.raises(ConfigurationError, match=r"kmsd\.yaml:1: not YAML"):
        load(directory / "kmsd.yaml", {})


def test_a_file_that_all_may_write_is_refused(directory: Path) -> None:
    (directory / "kmsd.yaml").touch()
    (directory / "kmsd.yaml").chmod(0o646)
    with pytest.raises(ConfigurationError, match=r"kmsd\.yaml: all may write it \(mode 0646\): chmod 644 it"):
        load(directory / "kmsd.yaml", {})


def test_an_alias_bomb_is_refused(mistakes_of: MistakesOf) -> None:
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in range(1, 9):
        text += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n"
    [mistake] = mistakes_of(text)
    assert mistake.endswith("too large or too deep, with all aliases followed")


def test_tags_make_no_objects(mistakes_of: MistakesOf) -> None:
    mistakes = mistakes_of(MINIMAL + "tenants: !!python/object/apply:os.system [echo]\n")
    assert mistakes[0].startswith(f"{LINES + 1}: tenants: the YAML tag tag:yaml.org,2002:python/object")


def test_anchors_share_a_part(settings_of: SettingsOf) -> None:
    text = MINIMAL + ("tenants:\n  a: {roles: &roles {all: [{operations: '*'}]}}\n  b: {roles: *roles}\n")
    settings = settings_of(text)
    assert settings.tenants["a"].roles == settings.tenants["b"].roles


def test_a_missing_file_is_one_clear_line(directory: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(directory / "absent.yaml", {})
    assert str(caught.value) == f"{directory}/absent.yaml: No such file or directory"


@pytest.mark.parametrize("value", ["123456", "'123456'", "{value: 123456}", "[a, b]"])
def test_a_pin_in_the_file_is_refused_and_not_repeated(mistakes_of: MistakesOf, value: str) -> None:
    [mistake] = mistakes_of(MINIMAL.replace("{credential: hsm-pin}", value))
    assert mistake == (
        "16: hsms.main.pin: a secret never stands in this file: "
        "put it in a credential file and write {credential: NAME}"
    )


def test_a_private_key_in_the_file_is_refused_and_not_repeated(mistakes_of: MistakesOf, directory: Path) -> None:
    pem = (directory / "server.key").read_text()
    block = "private_key: |\n" + "".join(f"    {line}\n" for line in pem.splitlines())
    mistakes = mistakes_of(MINIMAL.replace("private_key: server.key\n", block))
    assert mistakes == [
        (
            "5: tls.private_key: a secret never stands in this file: "
            "put it in a credential file and write {credential: NAME}"
        )
    ]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
@pytest.mark.parametrize(
    ("name", "place"),
    [("server.key", "5: tls.private_key"), ("credentials/root-key", "11: software_root")],
)
def test_secret_files_that_others_reach_are_refused(
    mistakes_of: MistakesOf, directory: Path, name: str, place: str, mode: int
) -> None:
    (directory / name).chmod(mode)
    [mistake] = mistakes_of(MINIMAL)
    assert mistake == f"{place}: DIR/{name}: open to group or others (mode {mode:04o}): chmod 600 it"


def test_systemd_credentials_are_taken_with_their_own_mode(directory: Path) -> None:
    (directory / "credentials" / "root-key").chmod(0o440)
    text = MINIMAL.replace("credentials:\n  directory: credentials\n", "")
    (directory / "kmsd.yaml").write_text(text)
    environment = {"CREDENTIALS_DIRECTORY": str(directory / "credentials")}
    key = load(directory / "kmsd.yaml", environment).software_root_key()
    assert key is not None
    assert key.reveal() == bytes(range(32))


def test_a_credential_without_a_directory_is_refused(mistakes_of: MistakesOf) -> None:
    mistakes = mistakes_of(MINIMAL.replace("credentials:\n  directory: credentials\n", ""))
    assert mistakes[0] == (
        "9: software_root: credential 'root-key': set credentials.directory, or $CREDENTIALS_DIRECTORY as systemd does"
    )


@pytest.mark.parametrize("name", ["../server.key", "/etc/passwd", ".hidden", ""])
def test_a_credential_name_stays_in_its_directory(mistakes_of: MistakesOf, name: str) -> None:
    [mistake] = mistakes_of(MINIMAL.replace("credential: root-key", f"credential: '{name}'"))
    assert mistake == "11: software_root: expected the name of a file in the credential directory"


@pytest.mark.parametrize("content", [b"", bytes(31), bytes(33), b"z" * 64, b"00" * 31])
def test_a_root_key_of_another_size_is_refused(mistakes_of: MistakesOf, directory: Path, content: bytes) -> None:
    (directory / "credentials" / "root-key").write_bytes(content)
    [mistake] = mistakes_of(MINIMAL)
    assert mistake.startswith("11: software_root: DIR/credentials/root-key: a root key is 32 bytes")


def test_a_root_key_may_be_hexadecimal(settings_of: SettingsOf, directory: Path) -> None:
    (directory / "credentials" / "root-key").write_text(bytes(range(32)).hex() + "\n")
    key = settings_of(MINIMAL).software_root_key()
    assert key is not None
    assert key.reveal() == bytes(range(32))


@pytest.mark.parametrize("content", [b"", b"\n", b"1\n2\n", b"\xff"])
def test_a_pin_is_one_line_of_text(mistakes_of: MistakesOf, directory: Path, content: bytes) -> None:
    (directory / "credentials" / "hsm-pin").write_bytes(content)
    [mistake] = mistakes_of(MINIMAL)
    assert mistake.startswith("16: hsms.main.pin: DIR/credentials/hsm-pin: ")
    assert repr(content) not in mistake


def test_the_line_end_of_a_pin_is_not_part_of_it(settings_of: SettingsOf) -> None:
    assert settings_of(MINIMAL).hsms["main"].user_pin().reveal() == b"123456"


def test_a_certificate_that_is_none_is_refused(mistakes_of: MistakesOf, directory: Path) -> None:
    (directory / "ca.pem").write_text("hello")
    assert mistakes_of(MINIMAL) == ["6: tls.client_ca[0]: DIR/ca.pem: holds no certificate in PEM form"]


def test_a_key_of_another_certificate_is_refused(mistakes_of: MistakesOf, directory: Path) -> None:
    (directory / "ca.pem").replace(directory / "server.pem")
    (directory / "ca.pem").write_bytes((directory / "server.pem").read_bytes())
    [mistake] = mistakes_of(MINIMAL)
    assert mistake.startswith("3: tls: certificate and private_key do not fit together: ")


def test_the_same_module_with_other_options_is_refused(mistakes_of: MistakesOf) -> None:
    text = MINIMAL + (
        "    environment: {SOFTHSM2_CONF: a}\n"
        "  other:\n"
        "    module: module.so\n"
        "    token: other\n"
        "    pin: {credential: hsm-pin}\n"
        "    module_options: configdir=x\n"
        "    environment: {SOFTHSM2_CONF: b}\n"
        "  third:\n"
        "    module: module.so\n"
        "    token: demo\n"
        "    pin: {credential: hsm-pin}\n"
    )
    assert mistakes_of(text) == [
        "22: hsms.other.module_options: HSM 'main' loads the same module with other options",
        "23: hsms.other.environment.SOFTHSM2_CONF: HSM 'main' sets it to something else",
        "26: hsms.third.token: HSM 'main' is the same token",
    ]


@pytest.mark.parametrize(
    ("tenant", "mistake"),
    [
        ("{hsm: none}", "hsm: no HSM 'none' is declared"),
        ("{default_protection: HSM}", "default_protection: HSM keys need an HSM: set hsm"),
        (
            "{keys: {k: {algorithm: AES, length: 256, usage: [Encrypt], protection: HSM}}}",
            "keys.k.protection: HSM keys need an HSM: set hsm",
        ),
        (
            "{algorithms: {AES: [256]}, keys: {k: {algorithm: RSA, length: 2048, usage: [Sign]}}}",
            "keys.k.algorithm: the tenant's algorithms do not list it",
        ),
        (
            "{algorithms: {EC: [P_256]}, keys: {k: {algorithm: EC, curve: SECP256K1, usage: [Sign]}}}",
            "keys.k.curve: the tenant's algorithms do not allow it",
        ),
        (
            (
                "{keys: {k: {algorithm: RSA, length: 2048, usage: [Sign]},"
                " k-public: {algorithm: AES, length: 256, usage: [Encrypt]}}}"
            ),
            "keys.k-public: the public key of 'k' has this name",
        ),
    ],
)
def test_parts_that_contradict_are_refused(mistakes_of: MistakesOf, tenant: str, mistake: str) -> None:
    assert mistakes_of(MINIMAL + f"tenants:\n  t: {tenant}\n") == [f"{LINES + 2}: tenants.t.{mistake}"]


def test_a_software_root_without_a_key_is_refused(mistakes_of: MistakesOf) -> None:
    text = MINIMAL.replace("software_root: {credential: root-key}\n", "") + "tenants: {t: {}}\n"
    assert mistakes_of(text) == [f"{LINES}: tenants.t.root: the software root needs a root key: set software_root"]


def test_a_tenant_under_an_hsm_keeps_its_hsm_keys_there(settings_of: SettingsOf) -> None:
    text = MINIMAL + "tenants: {t: {root: main, default_protection: HSM}}\n"
    assert settings_of(text).tenants["t"].hsm_name == "main"


def test_names_keep_to_their_alphabet(mistakes_of: MistakesOf) -> None:
    [mistake] = mistakes_of(MINIMAL + "tenants: {'a b': {}}\n")
    assert mistake.startswith(f"{LINES + 1}: tenants.a b: a name starts with a letter or digit")


def test_the_documented_default_loads(directory: Path) -> None:
    """conf/kmsd.yaml is sound but for the files, which are those of a machine where kmsd is installed."""
    text = (Path(__file__).parents[2] / "conf" / "kmsd.yaml").read_text()
    (directory / "tls").mkdir()
    for source, name in [("server.pem", "tls/server.pem"), ("ca.pem", "tls/client-ca.pem")]:
        (directory / source).replace(directory / name)
    (directory / "server.key").replace(directory / "credentials" / "tls-key")
    (directory / "kmsd.yaml").write_text(text)
    environment = {"CREDENTIALS_DIRECTORY": str(directory / "credentials")}
    settings = load(directory / "kmsd.yaml", environment)
    assert list(settings.tenants) == ["example"]


def test_the_documented_defaults_are_the_real_ones(directory: Path) -> None:
    """With every `# option: default` line of the scalar sections made live, nothing changes."""
    text = (Path(__file__).parents[2] / "conf" / "kmsd.yaml").read_text()
    live = re.sub(r"^(  )# (\w+: \S+)", r"\1\2", text, flags=re.MULTILINE)
    live = re.sub(
        r"^(    )# (algorithms:|quotas:|  (?:AES|RSA|EC|ECDSA|HMAC_\w+|objects):.*)",
        r"\1\2",
        live,
        flags=re.MULTILINE,
    )
    assert live != text
    (directory / "tls").mkdir()
    for source, name in [("server.pem", "tls/server.pem"), ("ca.pem", "tls/client-ca.pem")]:
        (directory / source).replace(directory / name)
    (directory / "server.key").replace(directory / "credentials" / "tls-key")
    environment = {"CREDENTIALS_DIRECTORY": str(directory / "credentials")}
    loaded = []
    for variant in (text, live):
        (directory / "kmsd.yaml").write_text(variant)
        loaded.append(load(directory / "kmsd.yaml", environment))
    assert loaded[0] == loaded[1]


def test_vendors_numbers_are_read_with_and_without_0x(settings_of: SettingsOf) -> None:
    mapping = "    mechanisms: {SM4: 0x80000001, SM4_KEY_GEN: 2147484672, SM4_ECB: 0x80000401}\n"
    settings = settings_of(MINIMAL + mapping)
    assert settings.hsms["main"].mechanisms == {"SM4": 0x80000001, "SM4_KEY_GEN": 0x80000400, "SM4_ECB": 0x80000401}


def test_sm2_stands_beside_sm4_or_alone(settings_of: SettingsOf) -> None:
    sm2 = "SM2: 3, SM2_KEY_PAIR_GEN: 0x80000701, SM2_DECRYPT: 0x80000703"
    for mapping in (sm2, sm2 + ", SM4: 1, SM4_KEY_GEN: 2, SM4_ECB: 3"):
        settings = settings_of(MINIMAL + f"    mechanisms: {{{mapping}}}\n")
        assert settings.hsms["main"].mechanisms["SM2_DECRYPT"] == 0x80000703


@pytest.mark.parametrize(
    "mapping",
    [
        "{SM4: 0x80000001}",
        "{SM4: 0x80000001, SM4_KEY_GEN: 0x80000400}",
        "{SM4_ECB: 0x80000401}",
        "{SM4: 0x80000001, SM4_KEY_GEN: 0x80000400, SM4_OFB: 1}",
        "{SM4: 0x180000001, SM4_KEY_GEN: 0x80000400, SM4_ECB: 1}",
        "{SM4: many, SM4_KEY_GEN: 0x80000400, SM4_ECB: 1}",
        "{SM2: 3, SM2_KEY_PAIR_GEN: 1}",
        "{SM2: 3, SM2_SIGN: 1}",
        "{SM4: 1, SM4_KEY_GEN: 2, SM4_ECB: 3, SM2_SIGN: 4}",
    ],
)
def test_half_a_mapping_of_mechanisms_is_refused(settings_of: SettingsOf, mapping: str) -> None:
    with pytest.raises(ConfigurationError, match="mechanisms"):
        settings_of(MINIMAL + f"    mechanisms: {mapping}\n")
