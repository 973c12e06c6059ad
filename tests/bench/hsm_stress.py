"""Threads on one token, everything at once: python -m tests.bench.hsm_stress [softhsm|nss] [SECONDS] [THREADS].

Every result is checked. A run ends with the number of operations, of wrong results (must be 0) and the errors.
"""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from kmsd.crypto.hsm.keeping import TenantKeys
from kmsd.crypto.hsm.provider import HsmProvider
from kmsd.crypto.hsm.root import HsmRoot, TenantKeyRing
from kmsd.crypto.hsm.selftest import run as selftest
from kmsd.crypto.sealing import Sealer, new_data_key
from kmsd.domain.usage import Purpose
from protocol.enums import BlockCipherMode as Mode
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import ObjectType, RecommendedCurve
from protocol.structures import CryptographicParameters as Parameters
from tests.crypto.harness import Key, reference
from tests.crypto.hsm_fixtures import make_nss, make_softhsm

CBC = Parameters(block_cipher_mode=Mode.CBC)
KEY_WRAP = Parameters(block_cipher_mode=Mode.NIST_KEY_WRAP)


@dataclass
class Outcome:
    """What all threads did."""

    done: int = 0
    wrong: int = 0
    errors: dict[str, int] = field(default_factory=Counter)


class Worker:
    """One thread's operations; it shares its keys with nobody, the token and the cache with all."""

    def __init__(self, provider: HsmProvider, number: int, outcome: Outcome) -> None:
        self.provider = provider
        self.number = number
        self.outcome = outcome
        self.random = random.Random(number)
        self.count = 0
        self.keys = [self.new_key() for _ in range(3)]
        self.public, self.private = self.new_pair(Algorithm.EC, 256, RecommendedCurve.P_256)
        self.rsa_public, self.rsa_private = self.new_pair(Algorithm.RSA, 2048, None)
        self.operations: list[tuple[int, Callable[[], bool]]] = [
            (40, self.cipher),
            (10, self.signature),
            (5, self.rsa_signature),
            (10, self.wrapping),
            (5, self.replacing),
            (10, self.randomness),
        ]

    def uid(self) -> str:
        self.count += 1
        return f"worker-{self.number}-{self.count}"

    def new_key(self) -> Key:
        asked = reference(ObjectType.SYMMETRIC_KEY, Algorithm.AES, 256, self.uid())
        return Key(self.provider, asked, self.provider.generate(asked))

    def new_pair(self, algorithm: Algorithm, length: int, curve: RecommendedCurve | None) -> tuple[Key, Key]:
        public = reference(ObjectType.PUBLIC_KEY, algorithm, length, self.uid())
        private = reference(ObjectType.PRIVATE_KEY, algorithm, length, self.uid())
        new_public, new_private = self.provider.generate_pair(public, private, curve)
        return Key(self.provider, public, new_public, curve), Key(self.provider, private, new_private, curve)

    def cipher(self) -> bool:
        key = self.random.choice(self.keys)
        text = self.random.randbytes(16 * self.random.randrange(1, 64))
        made = self.provider.encrypt(key.use(Purpose.ENCRYPT, CBC), text, None, None)
        return self.provider.decrypt(key.use(Purpose.DECRYPT, CBC), made.data, made.iv, None, None) == text

    def signature(self) -> bool:
        text = self.random.randbytes(100)
        signature = self.provider.sign(self.private.use(Purpose.SIGN), text, None)
        return self.provider.verify(self.public.use(Purpose.VERIFY), text, None, signature)

    def rsa_signature(self) -> bool:
        text = self.random.randbytes(100)
        signature = self.provider.sign(self.rsa_private.use(Purpose.SIGN), text, None)
        return self.provider.verify(self.rsa_public.use(Purpose.VERIFY), text, None, signature)

    def wrapping(self) -> bool:
        key = self.random.choice(self.keys)
        text = self.random.randbytes(32)
        wrapped = self.provider.wrap(key.use(Purpose.WRAP, KEY_WRAP), text).data
        return self.provider.unwrap(key.use(Purpose.UNWRAP, KEY_WRAP), wrapped) == text

    def replacing(self) -> bool:
        place = self.random.randrange(len(self.keys))
        old, self.keys[place] = self.keys[place], self.new_key()
        self.provider.destroy(old.reference, old.new.material)
        return self.cipher()

    def randomness(self) -> bool:
        return len(self.provider.random(32)) == 32

    def run(self, end: float, lock: threading.Lock) -> None:
        weights = [weight for weight, _ in self.operations]
        calls = [call for _, call in self.operations]
        done = wrong = 0
        errors: Counter[str] = Counter()
        while time.monotonic() < end:
            call = self.random.choices(calls, weights)[0]
            try:
                wrong += not call()
                done += 1
            except Exception as error:  # whatever it is, it is the result
                errors[f"{call.__name__}: {error!r} from {error.__cause__!r}"] += 1
        with lock:
            self.outcome.done += done
            self.outcome.wrong += wrong
            for name, number in errors.items():
                self.outcome.errors[name] = self.outcome.errors.get(name, 0) + number


def stress(provider: HsmProvider, *, threads: int, seconds: float) -> Outcome:
    """Run mixed operations on the provider in this many threads for some seconds."""
    outcome = Outcome(errors={})
    workers = [Worker(provider, number, outcome) for number in range(threads)]
    end = time.monotonic() + seconds
    lock = threading.Lock()
    running = [threading.Thread(target=worker.run, args=(end, lock)) for worker in workers]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    for worker in workers:
        for key in (*worker.keys, worker.private, worker.rsa_private):
            provider.destroy(key.reference, key.new.material)
    return outcome


def main() -> int:
    kind = sys.argv[1] if len(sys.argv) > 1 else "softhsm"
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 30.0
    threads = int(sys.argv[3]) if len(sys.argv) > 3 else 8
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    with tempfile.TemporaryDirectory() as directory:
        settings = {"softhsm": make_softhsm, "nss": make_nss}[kind](Path(directory) / kind)
        pool = settings.pool()
        pool.start()
        ring = TenantKeyRing(pool, selftest(pool))
        root = HsmRoot(ring)
        data_key = new_data_key()
        root.wrap_data_key("acme", data_key)
        provider = HsmProvider(ring, Sealer({"acme": data_key}), {"acme": TenantKeys()}, cache_limit=8)
        outcome = stress(provider, threads=threads, seconds=seconds)
        pool.close()
    print(f"{kind}: {threads} threads, {seconds:g} s: {outcome.done} operations, {outcome.done / seconds:.0f}/s")
    print(f"wrong results: {outcome.wrong}")
    for name, number in outcome.errors.items():
        print(f"{number} x {name}")
    return 1 if outcome.wrong or outcome.errors else 0


if __name__ == "__main__":
    sys.exit(main())
