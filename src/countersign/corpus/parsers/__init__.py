"""One module per family of formats. Every function here runs in a confined child process, never in the caller's."""
