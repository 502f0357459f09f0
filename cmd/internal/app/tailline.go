package app

import (
	"bytes"
	"encoding/json"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// lineWith returns an answer as tails show it, with an object of its own or nil. A line is
// encoded once, by the first tail that shows it, for all of them.
func (k *kept) lineWith(object *copied) ([]byte, error) {
	of := &k.line
	if object != nil {
		of = &object.line
	}
	if line := of.Load(); line != nil {
		return *line, nil
	}
	a := k.said()
	if object != nil {
		a.Object = object.object
	}
	line, err := encodedLine(a)
	if err == nil {
		of.Store(&line) // two that do so at once make the same
	}
	return line, err
}

// encodedLine encodes one line.
func encodedLine(a *api.Answer) ([]byte, error) {
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	lines.SetEscapeHTML(false)
	err := lines.Encode(a)
	return b.Bytes(), err
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
