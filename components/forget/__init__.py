"""Forget images: take every byte of them out of a store and of this machine, so that nothing learns from them again."""
