"""Converters between Kafka bytes and Connect data, one file each; json_*.py are the parts of JsonConverter.

The worker finds them by class name in tidelock.connect.runtime.plugins; nothing is imported before it is
used.
"""
