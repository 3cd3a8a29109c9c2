"""The dashboard: pages for people, rendered here, working without any script."""

from service.dashboard.routes import routes

__all__ = ["routes"]
