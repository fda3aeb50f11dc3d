"""Where templates of pages and of apps, static files and migrations lie."""

from pathlib import Path


def asset(name: str) -> Path:
    """Return the folder of templates, static files or migrations, in a checkout and in an installed wheel alike."""
    package = Path(__file__).parents[1]
    packed = package / "assets" / name
    return packed if packed.is_dir() else package.parent / name
