"""``python -m codesuggest`` is the command ``codesuggest``."""

from codesuggest.cli import main

if __name__ == "__main__":
    main()
