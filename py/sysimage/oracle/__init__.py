"""Real installers as judges of what we compose."""
