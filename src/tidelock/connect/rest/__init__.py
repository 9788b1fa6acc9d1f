"""Kafka Connect's REST interface over a herder."""
