"""The command line. Built-in commands are parsed before any plugin is touched."""
