"""Signals of the app."""

from __future__ import annotations

from django.dispatch import Signal

receipt_stored = Signal()
"""Sent after a receipt was stored, and again when its anchor became final or moved to another block.

`sender` is the model's class, `entry` the Entry with the receipt. Receivers run in the sweep, outside
transactions; the sweep logs what they raise, and goes on.
"""
