"""Charts that only the report has: what labels bring, and who is mistaken for whom."""
