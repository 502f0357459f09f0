package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	s := site{}
	flag.StringVar(&s.root, "root", "..", "the repository's root")
	flag.StringVar(&s.out, "out", "../bin/site", "folder for the site; what was in it goes")
	flag.StringVar(&s.source, "source", "https://github.com/fairlead-dev/fairlead", "where the sources are shown")
	flag.Parse()
	n, err := s.write()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%d pages in %s; open %s/index.html\n", n, s.out, s.out)
}
