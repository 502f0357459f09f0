package leaks

import (
	"time"

	"go.uber.org/goleak"
)

// patience is how long goroutines may take to end.
const patience = time.Minute

// Find waits until there are no goroutines but those that options allow, for a minute at
// the most, and returns an error that names what is left. It takes no goleak.Cleanup.
func Find(options ...goleak.Option) error { return find(patience, options...) }

func find(within time.Duration, options ...goleak.Option) error {
	for end := time.Now().Add(within); ; {
		// It looks several times, with pauses.
		if err := goleak.Find(options...); err == nil || time.Now().After(end) {
			return err
		}
	}
}

// Patient returns a test program for goleak.VerifyTestMain. After tests that have passed it
// waits, for a minute at the most, until no goroutines are left but those that options
// allow; goleak looks after that. Give both the same options, but no goleak.Cleanup to this one.
func Patient(m goleak.TestingM, options ...goleak.Option) goleak.TestingM {
	return patient{m, options}
}

type patient struct {
	goleak.TestingM

	options []goleak.Option
}

// Run runs the tests.
func (p patient) Run() int {
	code := p.TestingM.Run()
	if code == 0 {
		_ = Find(p.options...) // goleak tells of what is left
	}
	return code
}
