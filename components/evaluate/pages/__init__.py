"""What the cells of report.ipynb show, a module for each of its parts."""
