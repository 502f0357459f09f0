package sinktest_test

import (
	"testing"

	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// The example's sink, which docs/library.md shows, is one that passes.
func TestTheExampleConforms(t *testing.T) { sinktest.Run(t, openJournal) }
