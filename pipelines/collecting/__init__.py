"""What nothing names any more, in a store and on this machine: found, listed and, when asked, removed."""
