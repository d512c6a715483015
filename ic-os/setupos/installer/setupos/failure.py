"""What stops an installation."""


class Failure(Exception):  # noqa: N818
    """In one sentence: what is wrong, where, and what to do. The console shows it as it is, and nothing else happens.

    step: the step it belongs to, where that is another than the one that runs.
    """

    def __init__(self, sentence: str, step: str = "") -> None:
        super().__init__(" ".join(sentence.split()))
        self.step = step
