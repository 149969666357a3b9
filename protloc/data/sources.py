"""The data sets by their options: one reader each."""

from __future__ import annotations

from protloc.config import CsvData, DataConfig, DeepLoc2Data, DeepLocData, DemoData, FastaData
from protloc.data.source import Source


def read_source(options: DataConfig) -> Source:
    """Read the data set that `options` describes.

    Raises:
        UserError: for anything wrong with the files.
    """
    if isinstance(options, DemoData):
        from protloc.data.demo import read_demo

        return read_demo(options)
    if isinstance(options, DeepLocData):
        from protloc.data.deeploc import read_deeploc

        return read_deeploc(options)
    if isinstance(options, DeepLoc2Data):
        from protloc.data.deeploc2 import read_deeploc2

        return read_deeploc2(options)
    from protloc.data.files import read_csv_files, read_fasta_files

    if isinstance(options, FastaData):
        return read_fasta_files(options)
    assert isinstance(options, CsvData), type(options)
    return read_csv_files(options)
