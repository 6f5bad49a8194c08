"""Views: parse, one query or one action, respond. One file for each noun."""
