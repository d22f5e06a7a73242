"""Pure codecs: bytes on a line <-> what they mean. No file, socket or clock."""
