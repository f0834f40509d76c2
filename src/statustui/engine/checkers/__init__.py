"""One kind of check per file: each looks at a target and returns an observation."""
