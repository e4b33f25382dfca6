"""`python -m whiteline.cli` is `whiteline`."""

from whiteline.cli.app import main

if __name__ == "__main__":
    main()
