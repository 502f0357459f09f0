// Command cmd builds the Helms that tests run, unless they are there, and prints their paths.
package main

import (
	"os"

	"github.com/fairlead-dev/fairlead/internal/testhelm"
	"github.com/fairlead-dev/fairlead/internal/testprogram"
)

func main() { os.Exit(testprogram.Main(testhelm.Helm, testhelm.Helm3)) }
