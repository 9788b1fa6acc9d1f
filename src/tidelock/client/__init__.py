"""Kafka clients: settings in Java, librdkafka or aiokafka spelling, turned into confluent-kafka clients."""
