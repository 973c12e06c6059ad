"""What every test has: property tests that draw the same examples on every machine and never fail on time; daemons."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.daemon"]

settings.register_profile(
    "kmsd", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("kmsd")
