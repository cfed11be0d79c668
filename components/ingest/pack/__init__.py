"""Parts of a plan are checked and packed into shards in the store."""
