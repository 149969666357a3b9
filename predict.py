"""Predict where in the cell proteins live.

    python predict.py model_dir=outputs/RUN/model input=proteome.fasta output=locations.csv
    python predict.py --help                            everything else

The steps are in protloc/commands/predict.py.
"""

from protloc.cli.main import predict

if __name__ == "__main__":
    predict()
