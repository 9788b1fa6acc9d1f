"""Several workers as one: Kafka Connect's distributed mode. The rules are pure, the shells few."""
