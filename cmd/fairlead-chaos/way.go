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
	return way{address(loopback.Keep(t)), tcpline.New("")}
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// ways are all that lead to it.
func (d *destination) ways() []way {
	if d.line == nil { // It has not begun to start.
		return nil
	}
	return append([]way{d.way}, d.further...)
}

// lead has the line lead to another address. What is on it is lost.
func (d *destination) lead(to string) error {
	d.line.Cut()
	d.line.Lead(to)
	return d.way.open()
}

// set replaces the faults of all.
func (d *destination) set(f tcpline.Faults) {
	for _, w := range d.ways() {
		w.line.Set(f)
	}
}

// traffic is how much has come on all, from clients and from the servers, arrived or not.
func (d *destination) traffic() (bytes int64) {
	for _, w := range d.ways() {
		bytes += w.line.Sent() + w.line.Received()
	}
	return bytes
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
