// Command cmd builds promtool and the parser that tests of the mixin run, unless they are there, and prints
// their paths.
package main

import (
	"os"

	"github.com/fairlead-dev/fairlead/internal/testprogram"
	"github.com/fairlead-dev/fairlead/internal/testprom"
)

func main() { os.Exit(testprogram.Main(testprom.Programs...)) }
