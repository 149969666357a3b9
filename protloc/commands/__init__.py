"""What train.py and predict.py do, each as a table of contents."""
