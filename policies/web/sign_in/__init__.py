"""Signing in on django-allauth: adapters, our own checks of the provider, limits of sessions, the demanded factor."""
