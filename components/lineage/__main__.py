from components.lineage.command import main

main()
