"""The routes, a file a group. Each names the right it needs by its caller's type; tables test that none forgets."""
