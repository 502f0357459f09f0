// Command cmd builds the VictoriaLogs that tests run, unless it is there, and prints its
// path.
package main

import (
	"os"

	"github.com/fairlead-dev/fairlead/internal/testlogs"
	"github.com/fairlead-dev/fairlead/internal/testprogram"
)

func main() { os.Exit(testprogram.Main(testlogs.VictoriaLogs)) }
