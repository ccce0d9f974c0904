"""What an authority answers to its consumers, without HTTP: `http` serves it to other processes, `replica` asks it in its own."""
