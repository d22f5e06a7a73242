"""What a person types: the words of `calc-stream`, and the text form of `explain`."""
