"""What odoo-ops knows and does without Prefect: model, policy, commands, runtimes and adapters."""
