"""Debian: archives, the package lock, and what maintainer scripts would have done."""
