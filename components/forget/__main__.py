from components.forget.command import main

if __name__ == "__main__":
    main()
