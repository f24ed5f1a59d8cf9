"""A run as one page that opens offline, and its markdown twin."""
