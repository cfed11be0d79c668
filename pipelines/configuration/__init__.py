"""What people write in YAML: run configurations, pod resources, schedules, and the checks of all three."""
