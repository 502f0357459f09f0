// Command cmd builds the servers that tests of sinks run, unless they are there, and prints
// their paths. With -missing it builds nothing, and says in one line which tests make test
// leaves out, because they take long or a server is not there.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/fairlead-dev/fairlead/internal/testprogram"
	"github.com/fairlead-dev/fairlead/internal/testsinks"
)

func main() {
	missing := flag.Bool("missing", false, "say which tests are left out")
	flag.Parse()
	if !*missing {
		os.Exit(testprogram.Main(testsinks.Programs...))
	}
	fmt.Fprintln(os.Stderr, testsinks.Missing())
}
