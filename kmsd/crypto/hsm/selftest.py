"""What a token is really able to do, found out at start.

Mechanism lists tell what a token has, not what works: NSS lists AES-GCM and answers that the buffer is too small.
So every mechanism that kmsd would use is tried with keys known to both sides (kmsd.crypto.hsm.checks). What fails
here is refused later; nothing is done outside instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from pkcs11 import Attribute, KeyType, Mechanism
from pkcs11.exceptions import PKCS11Error

from kmsd.crypto import asymmetric
from kmsd.crypto.errors import CryptoError, HsmUnavailableError
from kmsd.crypto.hsm import checks, morechecks, sm2, testkeys, vendors
from kmsd.crypto.hsm import mechanisms as table
from kmsd.crypto.hsm.abilities import SEE, Abilities
from kmsd.crypto.hsm.objects import CKA_NSS_DB, private_template, secret_template
from kmsd.crypto.hsm.pool import Lease, SessionPool
from protocol.enums import BlockCipherMode, HashingAlgorithm

_log = structlog.get_logger("kmsd.hsm")

_HASHES = tuple(table.RSA_HASHES)
_HASH_PAIRS = tuple((h, m) for h in _HASHES for m in {h, HashingAlgorithm.SHA_1})
_AES_LENGTHS = (128, 192, 256)
OK = "ok"
"""In the report, which says of all else what went wrong."""
_PRIVATE_EXTRAS: tuple[dict[Any, Any], ...] = ({}, {CKA_NSS_DB: b"\x00"})


class _Bench:
    """Runs checks, each with a session of its own: a broken mechanism may leave one half-used."""

    def __init__(self, pool: SessionPool) -> None:
        self._pool = pool
        self.report: dict[str, str] = {}

    def passes(self, name: str, check: Callable[[Lease], Any]) -> bool:
        """Raises HsmUnavailableError only: a token that is lost has shown nothing."""
        try:
            self._pool.run(check, repeatable=False)
        except HsmUnavailableError:
            raise
        except (PKCS11Error, CryptoError, checks.CheckFailed, ValueError, TypeError, NotImplementedError) as error:
            self.report[name] = f"{type(error).__name__} {error}".strip()
            return False
        self.report[name] = OK
        return True


def run(pool: SessionPool, numbers: Mapping[str, int] | None = None) -> Abilities:
    """Try everything; some 50 ms on SoftHSM. `numbers`: of vendors' mechanisms (kmsd.crypto.hsm.vendors).

    Raises HsmUnavailableError where the token is lost.
    """
    bench = _Bench(pool)
    key_wraps: dict[BlockCipherMode, Mechanism] = {}
    for mechanism in table.WRAP_FORMS.values():
        for mode in (BlockCipherMode.NIST_KEY_WRAP, BlockCipherMode.AES_KEY_WRAP_PADDING):
            if mode not in key_wraps and bench.passes(
                f"{mode.name} by {mechanism.name}",
                lambda lease: checks.is_standard_wrap(lease, mode, mechanism),  # noqa: B023
            ):
                key_wraps[mode] = mechanism
    padding = BlockCipherMode.AES_KEY_WRAP_PADDING
    form = next(
        (
            form
            for form, mechanism in table.WRAP_FORMS.items()
            if bench.passes(f"keep by {mechanism.name}", lambda lease: checks.keeps_ciphers(lease, mechanism))  # noqa: B023
        ),
        0,
    )
    keepable = {KeyType.AES} if form else set()
    if form and bench.passes("keep HMAC keys", lambda lease: checks.keeps_hmac_keys(lease, table.WRAP_FORMS[form])):
        keepable.add(KeyType.GENERIC_SECRET)
    extras: dict[Any, Any] = {}
    for key_type, key in ((KeyType.RSA, testkeys.rsa_key()), (KeyType.EC, testkeys.ec_key())):
        for more in _PRIVATE_EXTRAS if form else ():
            if bench.passes(
                f"keep {key_type.name} keys{' with CKA_NSS_DB' if more else ''}",
                lambda lease: checks.keeps_private(lease, key, table.WRAP_FORMS[form], more),  # noqa: B023
            ):
                keepable.add(key_type)
                extras.update(more)
                break
    imports = {
        template[Attribute.KEY_TYPE]
        for template in (
            secret_template(KeyType.AES, testkeys.TEST_KEY),
            secret_template(KeyType.GENERIC_SECRET, testkeys.TEST_KEY),
            private_template(testkeys.rsa_key()),
            private_template(testkeys.ec_key()),
        )
        if bench.passes(
            f"import {template[Attribute.KEY_TYPE].name}",
            lambda lease: checks.imports(lease, template),  # noqa: B023
        )
    }
    sm4 = _sm4(bench, vendors.sm4(numbers or {}))
    if sm4 is not None:
        if form and bench.passes(
            "keep SM4 keys",
            lambda lease: checks.keeps_ciphers(lease, table.WRAP_FORMS[form], sm4.key_type, 16),
        ):
            keepable.add(sm4.key_type)
        template = secret_template(sm4.key_type, testkeys.TEST_KEY[:16])
        if bench.passes("import SM4", lambda lease: checks.imports(lease, template)):
            imports.add(sm4.key_type)
    sm2_kind = _sm2(bench, vendors.sm2(numbers or {}), table.WRAP_FORMS.get(form), extras)
    edwards = _edwards(bench, table.WRAP_FORMS.get(form), extras)
    if edwards is not None and bench.report.get("keep Ed25519 keys") == OK:
        keepable.add(KeyType.EC_EDWARDS)
    abilities = Abilities(
        wrap_form=form,
        unwrap_template=bool(form)
        and bench.passes("unwrap template", lambda lease: checks.enforces_template(lease, table.WRAP_FORMS[form])),
        key_wraps=key_wraps,
        odd_wraps=padding in key_wraps
        and bench.passes("wrap odd lengths", lambda lease: checks.wraps_odd_lengths(lease, key_wraps[padding])),
        private_extras=extras,
        keepable=frozenset(keepable),
        imports=frozenset(imports),
        aes_lengths=_which(bench, "generate AES {}", _AES_LENGTHS, checks.generates_aes),
        hmac_keys=bench.passes("generate HMAC key", checks.generates_hmac_key),
        rsa_lengths=frozenset(asymmetric.RSA_LENGTHS) & checks.rsa_range(pool),
        curves=_which(bench, "ECDSA {}", tuple(table.EC_PARAMETERS), checks.ecdsa),
        ciphers=_which(bench, "AES {}", tuple(checks.CIPHER_SCHEMES), checks.cipher),
        oaep=_which(bench, "OAEP {}", _HASH_PAIRS, checks.oaep),
        transports=_which(bench, "unwrap keys by OAEP {}", _HASH_PAIRS if form else (), morechecks.unwraps_keys),
        pkcs1_decryption=bench.passes("RSA decryption PKCS#1 v1.5", checks.pkcs1_decryption),
        pss=_which(bench, "PSS {}", _HASH_PAIRS, checks.pss),
        pkcs1_signature=bench.passes("RSA signature PKCS#1 v1.5", checks.pkcs1_signature),
        hmacs=_which(bench, "HMAC {}", tuple(table.HMAC_MECHANISMS), checks.hmac),
        cmac=bench.passes("CMAC", checks.cmac),
        sm4=sm4,
        sm2=sm2_kind,
        edwards=edwards,
        report=bench.report,
    )
    refused = {name: result for name, result in bench.report.items() if result != OK}
    _log.info(
        "token tested", token=pool.token_label, works=len(bench.report) - len(refused), refused=len(refused), see=SEE
    )
    _log.debug("token tested, each mechanism", token=pool.token_label, results=bench.report)
    return abilities


def _sm4(bench: _Bench, configured: vendors.Sm4 | None) -> vendors.Sm4 | None:
    """SM4 in the modes that work; None where keys cannot be made or no mode does."""
    if configured is None or not bench.passes("generate SM4", lambda lease: morechecks.makes_sm4(lease, configured)):
        return None
    modes = {
        mode: mechanism
        for mode, mechanism in configured.modes.items()
        if bench.passes(f"SM4 {mode.name}", lambda lease: morechecks.is_sm4(lease, configured, mode))  # noqa: B023
    }
    return configured._replace(modes=modes) if modes else None


def _sm2(
    bench: _Bench, configured: vendors.Sm2 | None, wrapping: Mechanism | None, extras: dict[Any, Any]
) -> vendors.Sm2 | None:
    """SM2 for the uses that work; None where pairs cannot be made or no use does."""
    if configured is None or not bench.passes("generate SM2", lambda lease: sm2.makes_pairs(lease, configured)):
        return None
    kind = configured
    if kind.sign is not None and not bench.passes("SM2 sign", lambda lease: sm2.signs(lease, kind)):
        kind = kind._replace(sign=None)
    if kind.sign_message is not None and not bench.passes(
        "SM2 sign message", lambda lease: sm2.signs_messages(lease, kind)
    ):
        kind = kind._replace(sign_message=None)
    if kind.decrypt is not None:
        forms: list[int] = []
        proved = bench.passes("SM2 decrypt", lambda lease: forms.append(sm2.form_of(lease, kind)))
        kind = kind._replace(form=forms[0]) if proved else kind._replace(decrypt=None)
    if not kind.private:
        return None
    return kind._replace(
        keeps=wrapping is not None
        and bench.passes("keep SM2 keys", lambda lease: sm2.keeps(lease, kind, wrapping, extras)),
        imports=bench.passes("import SM2", lambda lease: sm2.imports(lease, kind)),
    )


def _edwards(bench: _Bench, wrapping: Mechanism | None, extras: dict[Any, Any]) -> bytes | None:
    """How the token wants Ed25519 named, in the first of the ways that works."""
    for parameters in table.EDWARDS_PARAMETERS:
        if bench.passes("Ed25519", lambda lease: morechecks.signs_ed25519(lease, parameters, None, {})):  # noqa: B023
            if wrapping is not None:
                bench.passes(
                    "keep Ed25519 keys",
                    lambda lease: morechecks.signs_ed25519(lease, parameters, wrapping, extras),  # noqa: B023
                )
            return parameters
    return None


def _which(bench: _Bench, name: str, rows: tuple[Any, ...], check: Callable[[Lease, Any], None]) -> frozenset[Any]:
    return frozenset(
        row
        for row in rows
        if bench.passes(name.format(_name(row)), lambda lease: check(lease, row))  # noqa: B023
    )


def _name(row: Any) -> str:
    if isinstance(row, tuple):
        return "/".join(map(_name, row))
    return getattr(row, "name", str(row))
