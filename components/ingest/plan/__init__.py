"""A source is listed once and cut into parts that workers pack side by side."""
