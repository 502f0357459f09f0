// Command cmd builds the servers that tests of sinks run, unless they are there, and prints
// their paths. With -missing it builds nothing, and says in one line which are not there, if
// some are not.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/fairlead-dev/fairlead/internal/testprogram"
	"github.com/fairlead-dev/fairlead/internal/testsinks"
)

func main() {
	missing := flag.Bool("missing", false, "say which are not there")
	flag.Parse()
	if !*missing {
		os.Exit(testprogram.Main(testsinks.Programs...))
	}
	if text := testsinks.Missing(); text != "" {
		fmt.Fprintln(os.Stderr, text)
	}
}
