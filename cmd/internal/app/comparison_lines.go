package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// diffWriter writes the lines of a comparison, each at once. After an error, such as that the
// client has gone or reads too slowly, it ends the comparison. Any goroutine may use it.
type diffWriter struct {
	end context.CancelCauseFunc

	mu     sync.Mutex
	w      http.ResponseWriter
	rc     *http.ResponseController
	last   time.Time
	failed bool
}

func newDiffWriter(w http.ResponseWriter, end context.CancelCauseFunc) (*diffWriter, error) {
	rc := http.NewResponseController(w)
	// Nothing more is read, and the context ends when the client goes.
	if err := errors.Join(rc.SetReadDeadline(time.Time{}), rc.SetWriteDeadline(time.Now().Add(writeTimeout))); err != nil {
		return nil, err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	return &diffWriter{end: end, w: w, rc: rc, last: time.Now()}, rc.Flush()
}

// line writes one line.
func (d *diffWriter) line(l *api.DiffLine) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	err := e.Encode(l)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		err = d.writeLocked(text.Bytes())
	}
	if err != nil {
		d.end(err)
	}
}

// keepAlive writes a blank line if nothing has been written for a while, so that a client that
// has gone is noticed.
func (d *diffWriter) keepAlive(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Sub(d.last) < compareQuiet {
		return
	}
	if err := d.writeLocked([]byte("\n")); err != nil {
		d.end(err)
	}
}

// cut has a write that waits for a slow reader end, and those that follow fail soon.
func (d *diffWriter) cut() {
	_ = d.rc.SetWriteDeadline(time.Now().Add(time.Second)) // for the line that says why
}

func (d *diffWriter) writeLocked(text []byte) error {
	if d.failed {
		return nil
	}
	d.last = time.Now()
	err := d.rc.SetWriteDeadline(d.last.Add(writeTimeout))
	if err == nil {
		_, err = d.w.Write(text)
	}
	if err == nil {
		err = d.rc.Flush()
	}
	d.failed = err != nil
	return err
}
