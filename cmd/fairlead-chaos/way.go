package main

import (
	"errors"
	"net"
	"strconv"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/loopback"
	"github.com/fairlead-dev/fairlead/internal/tcpline"
)

// way leads to a server of a destination, on a line that can fail.
type way struct {
	listens string // where the line does
	line    *tcpline.Line
}

func (w way) open() error { return w.line.Open(w.listens) }

// newWay returns one that is not open, and leads nowhere yet.
func newWay(t testing.TB) way {
	t.Helper()
	return way{address(freePort(t)), tcpline.New("")}
}

// freePort returns a port of 127.0.0.1 that nobody else gets before the end.
func freePort(t testing.TB) int {
	t.Helper()
	port, err := loopback.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := port.Release(); err != nil {
			t.Error(err)
		}
	})
	return port.Number
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// ways are all that lead to it.
func (d *destination) ways() []way {
	if d.line == nil { // It has not begun to start.
		return nil
	}
	return append([]way{d.way}, d.further...)
}

func (d *destination) cut() {
	for _, w := range d.ways() {
		w.line.Cut()
	}
}

func (d *destination) open() (err error) {
	for _, w := range d.ways() {
		err = errors.Join(err, w.open())
	}
	return err
}
