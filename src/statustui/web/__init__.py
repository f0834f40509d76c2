"""The public page: read-only HTTP, answered from memory."""
