"""The configuration: YAML in, one frozen Settings value out, every mistake named with its line."""
