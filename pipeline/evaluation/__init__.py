"""How good students and corpora are, and what others say of them."""
