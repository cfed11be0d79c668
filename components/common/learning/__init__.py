"""What training stages share: networks, the training loop, augmentation, inference, and many processes."""
