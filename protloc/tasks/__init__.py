"""What is predicted: labels, loss, figures, decision, columns."""
