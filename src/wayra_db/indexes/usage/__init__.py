"""How much indexes are used, and what speaks against one."""
