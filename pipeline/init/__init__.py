"""A project from data: what they show, what is chosen of it, and its files."""

from pipeline.init.choice import Unsure, Wishes, every_of
from pipeline.init.init import init

__all__ = ["Unsure", "Wishes", "every_of", "init"]
