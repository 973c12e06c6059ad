"""Coverage of what is made at run time: the decoders and encoders that protocol.compiler writes."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterable
from types import FunctionType

import atheris

from tests.fuzz import targets

_MADE = re.compile(r"<\w+\.(?:read|write) .*>")


def made_code(messages: Iterable[bytes]) -> int:
    """Instrument the codecs that these messages need; they are compiled at first use. Returns their number."""
    for data in messages:
        targets.decode_anything(data)
    found = [f for f in gc.get_objects() if isinstance(f, FunctionType) and _MADE.fullmatch(f.__code__.co_filename)]
    for function in found:
        atheris.instrument_func(function)
    return len(found)
