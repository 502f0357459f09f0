package main

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/fairlead-dev/fairlead/internal/leaks"
)

// The test program is started again as Fairlead, as the real one is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == asFairlead {
		os.Exit(runFairlead(os.Args[2:]))
	}
	goleak.VerifyTestMain(leaks.Patient(m))
}
