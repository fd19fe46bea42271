"""Tokens, prices, caches, credits: what a generation costs, and the account that pays."""
