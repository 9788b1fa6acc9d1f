"""Fixtures that every test may ask for, by name. Made-up inputs are not judged by the clock."""

from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.support.databases",
    "tests.support.engines",
    "tests.support.kafka",
    "tests.support.schema_registry",
    "tests.support.up",
]

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
