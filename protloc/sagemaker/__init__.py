"""SageMaker: the same train.py as a job on rented machines."""
