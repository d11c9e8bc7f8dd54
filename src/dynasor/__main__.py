from dynasor.cli import main

main()
