"""The SQL source: rows of tables, or of one query, into topics.

settings     keys
catalogue    which tables there are and which of them are wanted; their division among tasks
connector    watches the catalogue, makes the tasks' configurations
task         turns of the tables
reader       reads one table: statements, connection, records
position     how far a table was read, as the offsets topic has it
modes        bulk, incrementing, timestamp, timestamp+incrementing: one file each, pure
gaps         which rows may be handed over while transactions are open, pure
writers      who is writing a table now
innodb       the same for MySQL and MariaDB, whose answer has to prove that it is not an old one
columns      from columns to a schema, and from a driver's value to the schema's
"""
