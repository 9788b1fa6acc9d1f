"""Commands on dead letter queues: topics with the records that sink connectors left out."""
