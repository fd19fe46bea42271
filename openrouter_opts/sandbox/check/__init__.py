"""What a chat request may hold: `shapes` is the language; `messages`, `options`, `schema` and `request` say it in tables."""
