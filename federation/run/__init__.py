"""What a run is and what it tells: configuration, strategies and their options, states, events.

No input or output, no numpy. Imports nothing else of ``federation``.
"""
