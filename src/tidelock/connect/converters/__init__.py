"""Converters between Kafka bytes and Connect data, one file each."""
