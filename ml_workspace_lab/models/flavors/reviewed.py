"""Which types of files of skops are trusted, beside those that skops trusts itself."""

REVIEWED = (
    "collections.OrderedDict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRanker",
    "lightgbm.sklearn.LGBMRegressor",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.tree._tree.Tree",
)
"""Types that hold numbers, or a LightGBM model as text, for which skops asks a word all the same.
They are what is trusted when a file is read, too, whatever the file's own MLmodel says."""
