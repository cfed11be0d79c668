"""What is said over HTTP: KServe's open inference protocol, uploads, and everything that is refused."""
