"""Label Studio's server, both ways: candidates become tasks of a project, annotations become answers of the store."""
