"""Kafka Connect in Python: plugin api, converters, connectors, the worker's runtime and its REST interface.

Plugins (`connectors`, `converters`) see only `api`. The design page is docs/design/connect.md.
"""
