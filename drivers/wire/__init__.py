"""Sans-I/O codecs: bytes in, meaning out."""
