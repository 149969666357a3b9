"""Fine-tune a model that says where in the cell a protein lives.

    python train.py                                     the small default model on the demo data
    python train.py model=protbert trainer.gpus=8       a protein language model, on 8 GPUs
    python train.py -m model=tiny,esm2_8m seed=1,2,3    a sweep
    python train.py --help                              everything else

The steps are in protloc/commands/train.py.
"""

from protloc.cli.main import train

if __name__ == "__main__":
    train()
