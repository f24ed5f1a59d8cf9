"""Publishing: release files, cards, and the way to the Hub."""
