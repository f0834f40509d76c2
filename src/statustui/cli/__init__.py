"""Commands for people and scripts: one file per noun; each parses, calls and prints."""
