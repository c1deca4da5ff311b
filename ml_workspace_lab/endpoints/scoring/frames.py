"""Tables into what a model takes."""

from typing import Any

from ml_workspace_lab.endpoints.scoring.call import BadInput


def taken(frame: Any, names: list[str], count: int | None) -> Any:
    """A data frame as the model takes it: its columns in the model's order, or an array where the
    model goes by places. Raises BadInput where columns are missing or too many, or no row is
    there."""
    if len(frame) == 0:
        raise BadInput("There are no rows.")
    found = [str(name) for name in frame.columns]
    if len(set(found)) < len(found):
        raise BadInput("A column stands twice.")
    if names:
        if set(found) != set(names):
            raise BadInput(unlike(found, names))
        frame.columns = found
        return frame[names]
    if count is not None and len(found) != count:
        raise BadInput(f"There are {len(found)} columns; the model takes {count}.")
    return frame.to_numpy()


def placed(array: Any, names: list[str], count: int | None) -> Any:
    """An array with a row for each input, by the places of its columns. Raises BadInput."""
    if len(array) == 0:
        raise BadInput("There are no rows.")
    wanted = len(names) or count
    if array.ndim == 2 and wanted and array.shape[1] != wanted:
        raise BadInput(f"There are {array.shape[1]} columns; the model takes {wanted}.")
    if not names:
        return array
    import pandas

    return pandas.DataFrame(array, columns=names)


def unlike(found: list[str], names: list[str]) -> str:
    """What is wrong with the columns."""
    missing = ", ".join(sorted(set(names) - set(found))) or "none"
    unknown = ", ".join(sorted(set(found) - set(names))) or "none"
    return f"Columns differ. Missing: {missing}. Unknown: {unknown}."
