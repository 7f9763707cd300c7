"""Help for the tests of the GPT."""


class eos_row:  # noqa: N801 - a context manager that reads as a word
    """The prediction layer's EOS row, replaced for a while."""

    def __init__(self, model, row):
        self.weight, self.row = model.ar_predict_layer.weight.data, row

    def __enter__(self):
        self.before = self.weight[-1].clone()
        self.weight[-1] = self.row

    def __exit__(self, *_):
        self.weight[-1] = self.before
