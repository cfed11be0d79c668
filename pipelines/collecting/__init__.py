"""Find, list and remove what nothing refers to any more, in a store and on this machine."""
