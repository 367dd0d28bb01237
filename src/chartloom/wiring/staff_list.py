"""Today's list of staff, for processes that live longer than the file stays as it is."""

from __future__ import annotations

import threading

from chartloom.domain.errors import ConfigurationError
from chartloom.guard.staff import Staff
from chartloom.project import Project
from chartloom.project.access import load_staff


class StaffList:
    """Today's list of staff: read again when the file changes; a broken file lets nobody in."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._path = project.folder / project.settings.access.staff
        self._lock = threading.Lock()
        self._known: tuple[tuple[int, int], Staff] | None = None

    def __call__(self) -> Staff:
        try:
            stat = self._path.stat()
            mark = (stat.st_mtime_ns, stat.st_size)
        except FileNotFoundError:
            mark = (0, 0)
        with self._lock:
            if self._known is None or self._known[0] != mark:
                try:
                    staff = load_staff(self._project)
                except ConfigurationError:
                    staff = Staff()
                self._known = (mark, staff)
            return self._known[1]

    def patient_numbers(self) -> list[str]:
        """The numbers under which those who work here are patients, too."""
        return [number for member in self().staff for number in member.patient]
