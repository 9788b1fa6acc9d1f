"""Kafka Connect's REST interface over a herder: routing.py the table and errors, one module per resource."""
