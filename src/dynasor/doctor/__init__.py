"""Whether an engine has what Dynasor can use, and what to change where it has not."""

from dynasor.doctor.examine import examine
from dynasor.doctor.finding import Examination, Finding, Status

__all__ = ["Examination", "Finding", "Status", "examine"]
