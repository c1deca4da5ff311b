"""Azure Machine Learning's charts of a model's quality: checked, computed from arrays, drawn."""
