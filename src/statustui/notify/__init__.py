"""The part that tells people what the outbox holds."""
