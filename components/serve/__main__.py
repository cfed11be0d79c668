"""`python -m components.serve`. Decoding processes import this module too, so it imports nothing before it must."""

if __name__ == "__main__":
    from components.serve.command import main

    main()
