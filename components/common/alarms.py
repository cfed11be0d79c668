"""Which look at a served model raised the newest alarm: its images stand for what arrives since.

A look that raised one (monitor/<model>/looks/<number>.json) names their ids among its files as window.parquet.
"""

import re

from components.common.storage import Store

FILE = "window.parquet"
KEY = re.compile(rf"(monitor/[^/]+/looks/\d+)/\w+/{re.escape(FILE)}")


def newest_alarm(store: Store, model: str) -> str:
    """Key of the look that raised the newest alarm; empty where none did."""
    keys = {stat.key for stat in store.list(f"monitor/{model}/looks/")}
    looks = {f"{found[1]}.json" for key in keys if (found := KEY.fullmatch(key))}
    return max(looks & keys, default="")
