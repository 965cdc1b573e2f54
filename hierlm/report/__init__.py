"""The report of a fit: one HTML file to read, print, project and send."""

from hierlm.report.page import check_target, render, write

__all__ = ["check_target", "render", "write"]
