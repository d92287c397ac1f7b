"""`python -m metermt` is the command `metermt`."""

from metermt.cli import main

main(prog_name="metermt")
