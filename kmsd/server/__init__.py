"""The daemon's outside: listeners, TLS, one session per connection, and what it tells the service manager."""
