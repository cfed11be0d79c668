"""What lies in a source: folders, prefixes, archives and tables are listed, with their labels and texts."""
