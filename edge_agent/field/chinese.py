"""Every sentence of `words.say` in Chinese."""

CHINESE: dict[str, str] = {}
