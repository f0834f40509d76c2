"""The part that runs checks and commits what they mean."""
