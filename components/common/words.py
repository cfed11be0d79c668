"""Figures and sentences as people read them, in reports and on pages."""

from html import escape


def share(value: float) -> str:
    return f"{100 * value:.1f} %"


def whole(value: float) -> str:
    """A share in whole percent, in one piece."""
    return f"{100 * value:.0f}\N{NO-BREAK SPACE}%"


def percent(value: float | None) -> str:
    """A share, or a dash where it has no meaning."""
    return "–" if value is None or value != value else share(value)


def finding(text: str) -> str:
    """What a figure says, as its title in HTML."""
    return f'<p class="finding">{escape(text).replace(" %", "&nbsp;%")}.</p>'


def sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""


def plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
