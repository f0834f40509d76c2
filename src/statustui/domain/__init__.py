"""The rules of watching and of incidents, as pure functions on frozen values."""
