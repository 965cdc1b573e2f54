"""Questions put to a fit: hypotheses, predictions on a grid, comparisons and slopes."""
