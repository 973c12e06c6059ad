"""The published OASIS test cases, replayed unmodified against a daemon over TLS."""
