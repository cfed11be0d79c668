from components.monitor.history import main

if __name__ == "__main__":
    main()
