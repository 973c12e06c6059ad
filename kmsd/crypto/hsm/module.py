"""One PKCS#11 module in this process: loaded once, initialised for threads, re-initialised when its token is lost.

python-pkcs11 releases the GIL round every call but initialises modules with `C_Initialize(NULL)`, which promises a
single-threaded caller; SoftHSM then turns its locks off and the second thread corrupts its memory. So the module is
initialised here, through ctypes, with CKF_OS_LOCKING_OK (PKCS#11 2.40 §5.4), before python-pkcs11 sees it.

p11-kit-client hands out a new function list, with a state of its own, for every C_GetFunctionList: what ctypes
initialises is not what python-pkcs11 uses. It locks by itself, so there python-pkcs11's own way is right.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol
from weakref import WeakSet

import structlog
from pkcs11 import _pkcs11
from pkcs11.exceptions import NoSuchToken, PKCS11Error, TokenNotPresent, TokenNotRecognised
from pkcs11.types import Token

from kmsd.crypto.errors import HsmUnavailableError
from kmsd.crypto.hsm.errors import ModuleError

_log = structlog.get_logger("kmsd.hsm")

_CKR_OK = 0
_CKR_CRYPTOKI_ALREADY_INITIALIZED = 0x191
_CKF_OS_LOCKING_OK = 2
# Places in CK_FUNCTION_LIST, counted in pointers: the version fills the first (PKCS#11 2.40 §3.6).
_C_INITIALIZE = 1
_C_FINALIZE = 2


class _InitializeArguments(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS; NSS puts its parameter string in front of pReserved."""

    _fields_ = (
        ("CreateMutex", ctypes.c_void_p),
        ("DestroyMutex", ctypes.c_void_p),
        ("LockMutex", ctypes.c_void_p),
        ("UnlockMutex", ctypes.c_void_p),
        ("flags", ctypes.c_ulong),
        ("LibraryParameters", ctypes.c_char_p),
        ("pReserved", ctypes.c_void_p),
    )


class _PreInitialised(_pkcs11.lib):
    """python-pkcs11's module object without its own C_Initialize."""

    def initialize(self) -> None:
        """The module is initialised already."""


class Pausable(Protocol):
    """A user of the module that must be at rest while the module is re-initialised."""

    @property
    def ready(self) -> bool: ...

    def pause(self) -> bool:
        """Let nobody in; False where a call is still under way (then nothing has changed)."""

    def resume(self, reinitialised: bool) -> None: ...


class Module:
    """A loaded module. Use `load`, which gives the same module for the same path."""

    _loaded: ClassVar[dict[str, Module]] = {}
    _loading: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, path: str, parameters: str | None) -> None:
        self.path = path
        self.parameters = parameters
        self.generation = 0
        """Counts re-initialisations: no session, token or object outlives one."""
        self._users: WeakSet[Any] = WeakSet()
        self._reinitialising = threading.Lock()
        try:
            library = ctypes.CDLL(path)
            get_function_list = library.C_GetFunctionList
        except (OSError, AttributeError) as error:
            raise ModuleError(f"{path}: not a PKCS#11 module: {error}") from error
        function_list = _function_list(get_function_list)
        self._ctypes = _function_list(get_function_list, again=function_list)
        if self._ctypes is not None:
            self._initialize()
        try:
            self._library: Any = (_PreInitialised if self._ctypes is not None else _pkcs11.lib)(path)
        except PKCS11Error as error:
            raise ModuleError(f"{path}: does not initialise: {error!r}") from error
        # Never unloaded, not even when the interpreter ends: the module's own threads may still run in it.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._library))

    @classmethod
    def load(cls, path: str, *, environment: Mapping[str, str] | None = None, parameters: str | None = None) -> Module:
        """Load and initialise the module at `path`, once per process.

        `environment` is set before loading (SOFTHSM2_CONF and the like are read by the module); `parameters` is
        NSS's initialisation string. Raises ModuleError. Never fork afterwards.
        """
        with cls._loading:
            module = cls._loaded.get(path)
            if module is None:
                os.environ.update(environment or {})
                module = cls._loaded[path] = cls(path, parameters)
            elif module.parameters != parameters or any(
                os.environ.get(name) != value for name, value in (environment or {}).items()
            ):
                raise ModuleError(f"{path}: already loaded with other settings")
            return module

    def token(self, label: str) -> Token:
        """The token with this label. Raises HsmUnavailableError where no slot holds it now."""
        for slot in self._library.get_slots(token_present=True):
            try:
                token: Token = slot.get_token()
            except (TokenNotPresent, TokenNotRecognised):
                continue
            if token.label.rstrip() == label:
                return token
        raise HsmUnavailableError(f"no slot holds the token {label!r}") from NoSuchToken()

    def register(self, user: Pausable) -> None:
        """Count `user` among those who must rest during a re-initialisation; held weakly."""
        self._users.add(user)

    def others_ready(self, user: Pausable) -> bool:
        """Whether anybody else uses the module successfully: then it is not the module that is broken."""
        return any(other is not user and other.ready for other in self._users)

    def reinitialize(self, by: Pausable) -> None:
        """C_Finalize and C_Initialize, with every other user at rest.

        Raises HsmUnavailableError where a call is still under way, and where the module refuses.
        """
        with self._reinitialising:
            paused: list[Pausable] = []
            done = False
            try:
                for user in list(self._users):
                    if user is not by:
                        if not user.pause():
                            raise HsmUnavailableError("a call to the module is still under way")
                        paused.append(user)
                self._finalize()
                self._initialize()
                done = True
            finally:
                for user in paused:
                    user.resume(done)

    def _initialize(self) -> None:
        self.generation += 1
        if self._ctypes is None:
            try:
                self._library.initialize()
            except PKCS11Error as error:
                raise HsmUnavailableError("the module does not initialise") from error
            return
        parameters = self.parameters.encode() if self.parameters is not None else None
        arguments = _InitializeArguments(flags=_CKF_OS_LOCKING_OK, LibraryParameters=parameters)
        result = self._call(_C_INITIALIZE, ctypes.addressof(arguments))
        if result == _CKR_CRYPTOKI_ALREADY_INITIALIZED:
            # Somebody may have initialised it without locks: better no service than a corrupted heap.
            raise ModuleError(f"{self.path}: was initialised by somebody else in this process")
        if result != _CKR_OK:
            raise ModuleError(f"{self.path}: C_Initialize answered {result:#x}")

    def _finalize(self) -> None:
        """The answer is of no interest: a lost module may refuse, and C_Initialize will tell."""
        if self._ctypes is None:
            try:
                self._library.finalize()
            except PKCS11Error as error:
                _log.info("C_Finalize refused", module=self.path, error=type(error).__name__)
        else:
            result = self._call(_C_FINALIZE, None)
            if result != _CKR_OK:
                _log.info("C_Finalize refused", module=self.path, result=hex(result))

    def _call(self, function: int, argument: int | None) -> int:
        prototype = ctypes.CFUNCTYPE(ctypes.c_ulong, ctypes.c_void_p)
        return int(prototype(self._ctypes[function])(argument))


def _function_list(get_function_list: Callable[..., int], again: Any = None) -> Any:
    """The module's CK_FUNCTION_LIST as an array of pointers; None where it is not the same as `again`."""
    functions = ctypes.POINTER(ctypes.c_void_p)()
    result = get_function_list(ctypes.byref(functions))
    if result != _CKR_OK:
        raise ModuleError(f"C_GetFunctionList answered {result:#x}")
    address = ctypes.cast(functions, ctypes.c_void_p).value
    if again is not None and ctypes.cast(again, ctypes.c_void_p).value != address:
        return None
    return functions
