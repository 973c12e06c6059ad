"""Coverage-guided fuzzing of the dispatcher.

    python -m tests.fuzz.dispatch [--every=N] [libFuzzer options, corpus directories]

As decode. libFuzzer owns the main thread, the daemon's event loop runs in another.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import atheris

with atheris.instrument_imports(include=["protocol", "kmsd"]):
    import structlog
    import trio

    from tests.fuzz import instrument, mutation, seeds, targets

MAXIMUM = 1 << 15


def main() -> None:
    # A failed operation is judged by its answer; what is logged about it would drown the fuzzer's own words.
    structlog.configure(processors=[_only_failures], logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    every, options = seeds.options(sys.argv[1:])
    corpus = seeds.requests_to_answer(every)

    def mutate(data: bytes, maximum: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < 0.1:
            return bytes(atheris.Mutate(data, maximum))
        return mutation.mutate(data, corpus, rng)[:maximum]

    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryDirectory(dir=memory) as stores:
        instrument.made_code(corpus)
        seeds.write(corpus, Path(directory))
        answer = _loop(targets.Answers(Path(stores)))
        limits = [f"-max_len={MAXIMUM}", "-timeout=60", "-rss_limit_mb=2048"]
        atheris.Setup([sys.argv[0], *limits, *options, directory], answer, custom_mutator=mutate)
        atheris.Fuzz()


def _only_failures(_logger: object, _method: str, event: dict[str, Any]) -> str:
    if "traceback" not in event:
        raise structlog.DropEvent
    return str(event["traceback"])


def _loop(answers: targets.Answers) -> Callable[[bytes], None]:
    """A function that answers bytes on an event loop in a thread of its own."""
    questions: SimpleQueue[bytes] = SimpleQueue()
    outcomes: SimpleQueue[BaseException | None] = SimpleQueue()

    async def ask(answer: Callable[[bytes], Any]) -> bool:
        for _ in range(targets.LIMIT):
            data = await trio.to_thread.run_sync(questions.get)
            try:
                await answer(data)
            except Exception as error:
                outcomes.put(error)
            else:
                outcomes.put(None)
        return False

    thread = threading.Thread(target=trio.run, args=(answers.run, ask), daemon=True)
    thread.start()

    def once(data: bytes) -> None:
        questions.put(data)
        error = outcomes.get()
        if error is not None:
            raise error

    return once


if __name__ == "__main__":
    main()
