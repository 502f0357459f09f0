// Command cmd builds the Helm that tests run, unless it is there, and prints its path.
package main

import (
	"os"

	"github.com/fairlead-dev/fairlead/internal/testhelm"
	"github.com/fairlead-dev/fairlead/internal/testprogram"
)

func main() { os.Exit(testprogram.Main(testhelm.Helm)) }
