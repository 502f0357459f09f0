package app

import (
	"bufio"
	"bytes"
	"encoding/json"
	"sync"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// mostLine is how long a line may be that is kept for other tails, in bytes; most have some 400.
// All that are kept take 4 MiB at most, and as much again while blocks are borrowed that were
// forgotten.
const mostLine = 1 << 10

// line is an answer as tails show it.
type line struct {
	text   []byte // of the answer without its object
	object []byte // JSON on one line; empty: it is not shown
}

// lineWith returns an answer as tails show it, with an object of its own or nil. What is
// without the object is encoded once, by the first tail that shows it, for all of them; of
// the object there is no other copy.
func (k *kept) lineWith(object *copied) (l line, err error) {
	if object != nil {
		l.object = object.object
	}
	if text := k.line.Load(); text != nil {
		l.text = *text
		return l, nil
	}
	text, err := encodedLine(k.said())
	if err == nil && len(text) <= mostLine {
		k.line.Store(&text) // two that do so at once make the same
	}
	l.text = text
	return l, err
}

// writeTo writes the line, with the object as the last field.
func (l line) writeTo(w *bufio.Writer) error {
	if len(l.object) == 0 {
		_, err := w.Write(l.text)
		return err
	}
	_, _ = w.Write(bytes.TrimSuffix(l.text, []byte("}\n"))) // the last one returns their errors, too
	_, _ = w.WriteString(`,"object":`)
	_, _ = w.Write(l.object)
	_, err := w.WriteString("}\n")
	return err
}

// lineBuffers are what lines are encoded into.
var lineBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// encodedLine encodes one line.
func encodedLine(a *api.Answer) ([]byte, error) {
	b := lineBuffers.Get().(*bytes.Buffer)
	defer lineBuffers.Put(b)
	b.Reset()
	lines := json.NewEncoder(b)
	lines.SetEscapeHTML(false)
	err := lines.Encode(a)
	return bytes.Clone(b.Bytes()), err
}

// said is the answer in the words of the interface, without its object.
func (a *answer) said() *api.Answer {
	l := &api.Answer{
		Route: a.route, ID: a.id(), Op: a.op.String(), Cluster: a.key.Cluster, Resource: a.key.Resource,
		Namespace: a.key.Namespace, Name: a.key.Name, UID: string(a.uid), ResourceVersion: a.version,
		Snapshot: a.snapshot, Tombstone: a.tombstone, At: a.at, Refused: a.refused, DeadLettered: a.dead,
	}
	if !a.observed.IsZero() {
		l.LagSeconds = a.at.Sub(a.observed).Seconds()
	}
	return l
}
