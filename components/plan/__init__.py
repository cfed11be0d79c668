"""The first task of a run: its form is checked and becomes the settings of every stage, its source is listed."""
