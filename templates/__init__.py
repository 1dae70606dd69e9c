"""Files of hosts and reports, as Jinja2 templates."""
