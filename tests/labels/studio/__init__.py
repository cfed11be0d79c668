"""Tests of what goes to Label Studio and comes back: against a real server, and against its recorded answers."""
