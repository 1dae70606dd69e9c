"""Odoo for development without containers: all of it in one folder, made and started by one command."""
