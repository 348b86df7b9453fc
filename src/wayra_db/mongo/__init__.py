"""The MongoDB deployment: connecting to it, what it can do, and its errors in our words."""
