"""`tidelock up`: one supervised process per part, on loopback ports that are bound before anything starts.

`command` is the command line, `supervisor` starts, watches and stops the processes, `restarts` decides when a
dead one comes back, `child` is the entry point of such a process and `services` builds the part in it.
`state` is the file by which other commands find what runs. Imports of parts happen in the child only.
"""
