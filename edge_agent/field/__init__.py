"""What an installer types in front of the cabinet.

A command is one file: `add_arguments(parser)` and `run(args) -> exit code`; its parts take what
they need as arguments and write to a given stream.
"""
