"""Which jobs are meant by a part of a number or an address. Pure functions over texts."""

from metermt.model import Job


def is_meant(text: str, job: Job) -> bool:
    """Tell whether a text is a part of the number of a job's meter or of its address, whatever the case."""
    asked = text.lower()
    return asked in job.meter.number.lower() or asked in job.meter.address.lower()
