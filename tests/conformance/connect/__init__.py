"""Connect beside Apache Kafka: cases as data, answers made by the original classes."""
