"""A throwaway world to try the product in: local targets that break and recover, and their past."""
