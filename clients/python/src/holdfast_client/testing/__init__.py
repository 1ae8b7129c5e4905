"""A Holdfast in memory, for tests without a server. The pytest fixture `fake_holdfast` gives one."""

from .fake import FakeHoldfast

__all__ = ["FakeHoldfast"]
