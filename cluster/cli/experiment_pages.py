"""``shootdown experiments --pages DIRECTORY``: the catalogue of changes, a page for each experiment run, and the index of all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.errors import RunError
from cluster.experiments.change_index import index_page, index_row
from cluster.experiments.change_pages import Shown, change_page
from cluster.experiments.experiment import experiment_files

if TYPE_CHECKING:
    from shootdown.experimenting import Reproduction

INDEX = "README.md"


class Catalogue:
    """The pages of a directory. Raises RunError if they cannot be written."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._rows: dict[str, str] = {}
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _not_written(directory, error) from error

    def add(self, done: Reproduction) -> None:
        """Write a change's page; its steps are not needed any more and dropped."""
        shown = Shown(done.experiment, done.arms, done.against)
        name = done.experiment.change.id
        _write(self.directory / f"{name}.md", change_page(shown))
        self._rows[name] = index_row(shown)
        for arm in done.arms.values():
            arm.steps.clear()

    def finish(self) -> str:
        """Write the index if every change has been run, since it has all figures; what was written, in a sentence."""
        written = f"{len(self._rows)} pages in {self.directory}"
        if set(self._rows) != set(experiment_files()):
            return f"{written}; the index is written when all are run"
        _write(self.directory / INDEX, index_page(list(self._rows.values())))
        return f"{written}, and their index"


def _write(path: Path, lines: Iterable[str]) -> None:
    try:
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise _not_written(path, error) from error


def _not_written(path: Path, error: OSError) -> RunError:
    return RunError(f"{path}: the catalogue cannot be written: {error.strerror}", file=str(path), found=error.strerror)
