"""Tests in a real Chromium. They run in a pytest process of their own: ``pytest tests/browser``."""
