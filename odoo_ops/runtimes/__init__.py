"""How to act on one environment."""
