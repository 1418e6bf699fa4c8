"""The command `tollway`: its subcommands and the composition of processes; the one floor that sees everything."""
