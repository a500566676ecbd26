"""``python -m synadmin``."""

from synadmin.cli.app import main

main()
