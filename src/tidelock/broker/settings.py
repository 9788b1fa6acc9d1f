"""Broker, topic and group settings under Kafka's own keys."""
