package app

import (
	"io"
	"sync"
	"testing"
)

// output is the output of a test until that has ended.
type output struct {
	mu sync.Mutex
	to io.Writer // nil: it has ended
}

// outputOf returns where a program of a test logs to. A manager of controller-runtime does
// not wait for all of its goroutines that log.
func outputOf(t testing.TB) io.Writer {
	o := &output{to: t.Output()}
	t.Cleanup(func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.to = nil
	})
	return o
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.to == nil {
		return len(p), nil
	}
	return o.to.Write(p)
}
