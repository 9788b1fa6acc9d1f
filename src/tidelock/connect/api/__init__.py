"""What plugin authors import: connectors, tasks, records, schemas, converters."""
