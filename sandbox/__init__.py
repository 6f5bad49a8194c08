"""A cluster without Kubernetes: a second gateway, for the demo and for tests.

It knows the policies that secprof compiles and no others; what it answers is held to the real thing by tests/contract.
"""
