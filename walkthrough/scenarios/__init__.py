"""Code that the chapters try out: ways to write, to copy and to migrate, good ones and bad ones."""
