"""The door for the clock and the sender: one process that rings the bell and hands letters over."""

from mailer.worker.process import run

__all__ = ("run",)
