"""The screens of the terminal, one per file."""
