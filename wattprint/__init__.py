"""The umbrella command: `up` starts everything, every other word starts the package that owns it."""
