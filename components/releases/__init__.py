"""The releases of a model, as they lie in the store: verified bundles, the champion and its history."""
