"""SimCLR on the unlabelled train split: an encoder whose neighbours look alike."""
