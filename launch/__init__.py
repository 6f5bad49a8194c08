"""The one-command start: environment, demo, supervised processes. Standard library only; knows nothing of policies."""
