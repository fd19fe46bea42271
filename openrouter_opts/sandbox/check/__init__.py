"""What a chat request may hold: `shapes` is the language, `messages`, `options` and `request` say it in tables."""
