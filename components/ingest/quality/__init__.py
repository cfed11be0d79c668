"""The data report: findings, gates, drift since the previous version, and the pages that show them."""
