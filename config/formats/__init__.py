"""Date formats (`FORMAT_MODULE_PATH`)."""
