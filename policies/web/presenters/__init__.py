"""From records of the queries to what a template shows, ready-made: sentences, diffs, states of buttons."""
