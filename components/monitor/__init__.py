"""The watch over a released model: collect what it answered, compare that with its reference, decide what follows."""
