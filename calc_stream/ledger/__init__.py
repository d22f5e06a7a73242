"""What the calculator has found out: batches with their states and revisions, kept on disk."""
