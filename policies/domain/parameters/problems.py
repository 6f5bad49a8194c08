"""The error of parameters that are not fit, with every problem by name."""

Problem = tuple[str, str]
"""The name of a parameter, and what to do about it."""


class InvalidParameters(ValueError):
    """Some parameters are not fit; `problems` pairs the name of each with what to do about it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(" ".join(f"{name}: {text}" for name, text in problems))
        self.problems = problems
