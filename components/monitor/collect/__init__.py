"""The first task of the watch: what a release answered since the last look, and what that is compared with."""
