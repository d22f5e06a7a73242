"""What a person types: each file is one word of `calc-stream`."""
