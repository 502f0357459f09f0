package sources

import (
	"strings"
	"sync"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
)

// counted is a log of which the lines are counted.
type counted struct {
	mu   sync.Mutex
	text strings.Builder
	n    int
}

func (c *counted) logger() logr.Logger {
	return funcr.New(func(prefix, args string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.n++
		c.text.WriteString(prefix + " " + args + "\n")
	}, funcr.Options{})
}

func (c *counted) lines() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func (c *counted) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// clientGo is the log of client-go, as far as it does not use one that was
// passed to it.
var clientGo counted
