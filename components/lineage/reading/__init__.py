"""What a store knows of images: candidates, answers of people, the serving log; and how tables are read."""
