"""Prefect blocks: typed configuration and secrets that operators see and edit in the UI."""

from blocks.environment import OdooEnvironment
from blocks.host import OdooHost
from blocks.repository import BackupRepository
from blocks.webhook import WebhookSource

__all__ = ["BackupRepository", "OdooEnvironment", "OdooHost", "WebhookSource"]
