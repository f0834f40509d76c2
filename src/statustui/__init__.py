"""The on-call operator's status page: watch services, carry incidents by keyboard, publish."""

from __future__ import annotations

__version__ = "0.1.0"
