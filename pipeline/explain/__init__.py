"""Everything about one pair."""
