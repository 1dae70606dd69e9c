"""The only code that reaches the outside: hosts, databases, HTTP."""
