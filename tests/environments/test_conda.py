"""Environments of conda, said in pip's words as far as that is certain."""

import pytest

from ml_workspace_lab.environments.conda import as_pip, read
from ml_workspace_lab.errors import InvalidInput


def test_what_both_have_is_translated() -> None:
    found = as_pip(
        read(
            """
name: churn
channels: [conda-forge, defaults]
dependencies:
  - python=3.11
  - pip=21.2.4
  - numpy=1.26
  - conda-forge::scikit-learn>=1.3,<2
  - pandas==2.2.0
  - scipy 1.11.*
  - matplotlib
  - joblib=1.3.*
  - pip:
    - mlflow==2.1
"""
        )
    )
    assert found.python_version == "3.11"
    assert found.requirements == [
        "mlflow==2.1",
        "numpy==1.26.*",
        "scikit-learn<2,>=1.3",
        "pandas==2.2.0",
        "scipy==1.11.*",
        "matplotlib",
        "joblib==1.3.*",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dependencies: [cudatoolkit=11.8]", "cudatoolkit is installed by conda only"),
        ("dependencies: [pytorch]", "pytorch is installed by conda only"),
        ("dependencies: ['numpy=1.2=py39_0']", "builds of conda"),
        ("dependencies: ['numpy=1.2|1.3']", "alternatives"),
        ("dependencies: ['python>=3.8']", "one version of Python"),
        ("dependencies: ['--index-url https://x']", "is not a package"),
        ("dependencies: [3]", "Expected `str`"),
        ("dependencies: [{npm: [x]}]", "only `pip:` has a list"),
        ("dependencies: numpy", "no list `dependencies`"),
        ("- numpy", "no list `dependencies`"),
        ("{", "not YAML"),
        ("dependencies: [!!python/object/apply:os.system [id]]", "not YAML"),
    ],
)
def test_what_is_not_certain_is_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        as_pip(read(text))
