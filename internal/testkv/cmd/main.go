// Command cmd builds the Consul that tests run, unless it is there, and prints its
// path.
package main

import (
	"os"

	"github.com/fairlead-dev/fairlead/internal/testkv"
	"github.com/fairlead-dev/fairlead/internal/testprogram"
)

func main() { os.Exit(testprogram.Main(testkv.Consul)) }
