from components.releases.commands import main

if __name__ == "__main__":
    main()
