"""Fixtures that every test may ask for, by name."""

pytest_plugins = [
    "tests.support.databases",
    "tests.support.engines",
    "tests.support.kafka",
    "tests.support.up",
]
