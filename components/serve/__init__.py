"""Answer over HTTP with a release: KServe's open inference protocol, a page, metrics."""
