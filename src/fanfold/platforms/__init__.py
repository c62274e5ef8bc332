"""How a script is started on a runner's machine; one file a platform."""
