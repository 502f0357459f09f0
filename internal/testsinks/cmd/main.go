// Command cmd builds the servers that tests of sinks run, unless they are there, and prints
// their paths.
package main

import (
	"os"

	"github.com/fairlead-dev/fairlead/internal/testprogram"
	"github.com/fairlead-dev/fairlead/internal/testsinks"
)

func main() { os.Exit(testprogram.Main(testsinks.Programs...)) }
