"""Building a revision again, from nothing, to see whether it gives the bytes that somebody published."""
