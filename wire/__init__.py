"""What crosses a process boundary, and nothing else: messages, units, topics, segments, the journal."""
