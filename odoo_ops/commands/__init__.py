"""Pure builders of commands: the intention in, argv out."""
