"""Are the posteriors right? Simulation-based calibration, and recovery of known parameters."""

from hierlm.calibration.calibrating import calibrate
from hierlm.calibration.recovery import recovery
from hierlm.calibration.result import Calibration

__all__ = ["Calibration", "calibrate", "recovery"]
