"""Commands on consumer groups, over the Kafka protocol."""
