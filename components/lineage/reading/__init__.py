"""What a store knows of images: versions of datasets, candidates, answers of people, the serving log."""
