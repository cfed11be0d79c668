from components.releases.deciding.commands import main

if __name__ == "__main__":
    main()
