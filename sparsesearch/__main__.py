"""``python -m sparsesearch`` is the command line."""

from sparsesearch.cli import main

if __name__ == "__main__":
    main()
