"""What other values would give, beside what is published."""
