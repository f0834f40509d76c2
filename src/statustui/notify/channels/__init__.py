"""One kind of channel per file: each carries a message to one kind of target."""
