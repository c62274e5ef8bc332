"""Ways out of this machine that a stranger may choose the goal of, each checked."""
