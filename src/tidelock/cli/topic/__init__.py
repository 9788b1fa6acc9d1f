"""Commands on topics, over the Kafka protocol."""
