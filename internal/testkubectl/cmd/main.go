// Command cmd builds the kubectl that tests run, unless it is there, and prints its path.
package main

import (
	"os"

	"github.com/fairlead-dev/fairlead/internal/testkubectl"
	"github.com/fairlead-dev/fairlead/internal/testprogram"
)

func main() { os.Exit(testprogram.Main(testkubectl.Kubectl)) }
