"""The daemon's outside: listeners, TLS, one session per connection, and what it tells the service manager."""

import sys

if "structlog" not in sys.modules and "rich" not in sys.modules:
    # structlog loads rich where that is installed: 55 ms and 6 MiB, for colours that lines of JSON do not have.
    sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog  # noqa: F401

    del sys.modules["rich"]
