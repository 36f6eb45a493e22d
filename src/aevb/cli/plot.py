"""`aevb plot`."""

from aevb.cli.options import DataDirOption, RunArgument
from aevb.cli.terminal import say


def plot(run: RunArgument, data_dir: DataDirOption = None) -> None:
    """Draw a run's pictures again, into its figures folder."""
    from aevb.cli.common import load_run
    from aevb.errors import RunFolderError
    from aevb.report import draw_figures
    from aevb.run import RunFolder, load_dataset, read_records

    folder = RunFolder(run)
    model = load_run(run)
    if not folder.metrics.exists():
        raise RunFolderError(
            f"{run} is not a run's folder: it has no {folder.metrics.name}. A model saved alone has no records to plot"
        )
    dataset = load_dataset(model.recipe, data_dir, folder)
    for path in draw_figures(model, dataset, read_records(folder), folder.figures):
        say(str(path))
