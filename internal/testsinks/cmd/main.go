// Command cmd builds servers that tests of sinks run, unless they are there, and prints their
// paths: those that are named, or all. With -missing it builds nothing, and says in one line
// which are not there, if some are not.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"

	"github.com/fairlead-dev/fairlead/internal/testprogram"
	"github.com/fairlead-dev/fairlead/internal/testsinks"
)

func main() {
	missing := flag.Bool("missing", false, "say which are not there")
	flag.Parse()
	if *missing {
		if text := testsinks.Missing(); text != "" {
			fmt.Fprintln(os.Stderr, text)
		}
		return
	}
	programs := slices.Clone(testsinks.Programs)
	if flag.NArg() > 0 {
		programs = slices.DeleteFunc(programs, func(p *testprogram.Program) bool { return !slices.Contains(flag.Args(), p.Name) })
	}
	os.Exit(testprogram.Main(programs...))
}
