"""Do posture and the compiled policies say the same? Asked of a real API server, object by object, control by control.

`python -m tests.contract.agreement` asks about every named case in all nine kinds, and about generated objects.
"""
