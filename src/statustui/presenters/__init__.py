"""Read models turned into rows, texts and figures, the same for terminal, page and commands."""
