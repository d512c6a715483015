"""Ours beside what others offer: how long a build takes, how much memory, and what capacity costs."""
