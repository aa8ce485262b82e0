"""How good a model is: its figures on labelled data, intervals, paired tests, a verdict."""
