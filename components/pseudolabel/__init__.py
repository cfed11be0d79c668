"""The classifier learns from its own confident guesses on the unlabelled images, without fooling itself."""
