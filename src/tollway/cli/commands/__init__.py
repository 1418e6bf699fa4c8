"""The subcommands, one file each, named as they are typed; `main` finds them by file name.

A file holds `add_parser(subparsers)`, which must import nothing heavy, and `run(arguments) -> int`,
which may. The integer is the exit status: 0 well, 1 not well, 2 wrongly asked.
"""
